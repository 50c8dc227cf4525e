"""What a seed starts from: the folder's encoder, and a head."""

import jax

from distil_jax.evaluation.network import fresh_head
from distil_jax.evaluation.plan import Plan
from distil_jax.evaluation.problem import Problem
from distil_jax.models.types import Params


def initial_params(plan: Plan, seed: int) -> Params:
    """The folder's encoder with its own head, or with a head drawn from the seed."""
    if plan.head is not None:
        head = rescaled(plan.head, plan.problem, inverse=True)
    else:
        head = fresh_head(plan.model.config, plan.problem.outputs, jax.random.key(seed))
        if plan.pooler is not None and plan.problem.outputs:
            head = {**head, "dense": plan.pooler}
    return {"encoder": plan.model.params["encoder"], "head": head}


def rescaled(head: Params, problem: Problem, *, inverse: bool = False) -> Params:
    """A regression's head whose value is on the labels' own scale; `inverse`: the other way."""
    mean, deviation = problem.scale
    if (mean, deviation) == (0.0, 1.0):
        return head
    kernel, bias = head["classifier"]["kernel"], head["classifier"]["bias"]
    if inverse:
        changed = {"kernel": kernel / deviation, "bias": (bias - mean) / deviation}
    else:
        changed = {"kernel": kernel * deviation, "bias": bias * deviation + mean}
    return {**head, "classifier": changed}
