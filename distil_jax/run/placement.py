"""The models of a run on its devices: in the layout of the compiled step, in their types."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.configuration.schema import Precision
from distil_jax.models.stacking import stack, unstack
from distil_jax.models.types import Params
from distil_jax.run.models import Models
from distil_jax.training.assemble import cast
from distil_jax.training.forward import translated
from distil_jax.training.parallel import Devices
from distil_jax.training.projections import with_projections
from distil_jax.training.step import Constants, StepSpec
from distil_jax.training.targets import shapes_of


def layout(spec: StepSpec, tree: Any) -> Any:
    """Stacked layers for a compiled loop over them, separate layers for a program without one.

    `tree` is of parameters, or a state that holds some.
    """
    return stack(tree) if spec.student.scan else unstack(tree)


def put_on_devices(
    models: Models, spec: StepSpec, devices: Devices, precision: Precision
) -> tuple[Constants, Params]:
    """What the step reads of the teacher, and the student's first parameters, in their types."""
    found: Any = {} if models.stored is None else models.stored.arrays
    trees = [
        _readable(layout(spec, cast(teacher.params, precision.teacher)), ids)
        for teacher, ids in zip(models.teachers, models.token_maps, strict=False)
    ]
    if trees:
        found = trees[0] if len(trees) == 1 else tuple(trees)
    targets = devices.replicate(found)
    own = with_projections(
        models.params,
        spec.objectives,
        spec.student.config,
        spec.targets.config,
        jax.random.key(spec.seed),
        shapes_of(spec.targets, spec.objectives),
    )
    params = devices.replicate(layout(spec, cast(own, precision.parameters)))
    return Constants(targets), params


def _readable(params: Params, ids: np.ndarray | None) -> Params:
    return params if ids is None else translated(params, jnp.asarray(ids))
