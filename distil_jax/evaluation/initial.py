"""What a seed starts from: the folder's encoder, and a head."""

import jax

from distil_jax.evaluation.fine_tuning_plan import FineTuningPlan
from distil_jax.models.types import Params
from distil_jax.tasks.kind import TaskData
from distil_jax.tasks.network import fresh_head


def initial_params(plan: FineTuningPlan, seed: int) -> Params:
    """The folder's encoder with its own head, or with a head drawn from the seed."""
    if plan.head is not None:
        head = rescaled(plan.head, plan.data, inverse=True)
    else:
        head = fresh_head(plan.kind, plan.model.config, plan.data.outputs, jax.random.key(seed))
        if plan.pooler is not None:
            head = {**head, "dense": plan.pooler}
    return {"encoder": plan.model.params["encoder"], "head": head}


def rescaled(head: Params, data: TaskData, *, inverse: bool = False) -> Params:
    """A regression's head whose value is on the labels' own scale; `inverse`: the other way."""
    mean, deviation = data.scale
    if (mean, deviation) == (0.0, 1.0):
        return head
    own = head["classifier"]
    kernel = own["kernel"]
    changed = {"kernel": kernel / deviation if inverse else kernel * deviation}
    if "bias" in own:  # without one the mean is 0
        bias = own["bias"]
        changed["bias"] = (bias - mean) / deviation if inverse else bias * deviation + mean
    return {**head, "classifier": changed}
