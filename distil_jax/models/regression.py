"""Dense maps and LayerNorms fitted by least squares, and their plain formulas in numpy."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from distil_jax.models.activation import activation

RIDGE = 1e-4
"""Added to the inputs' covariance, as a share of its mean diagonal."""

Fitted = dict[str, np.ndarray]


def fit_dense(
    inputs: Float[np.ndarray, "tokens inputs"], outputs: Float[np.ndarray, "tokens outputs"]
) -> Fitted:
    """Kernel [inputs, outputs] and bias of the affine map nearest to `outputs` in squared error."""
    mean_input, mean_output = inputs.mean(axis=0), outputs.mean(axis=0)
    centred = inputs - mean_input
    own = (centred.T @ centred).astype(np.float64)
    own += RIDGE * np.trace(own) / len(own) * np.eye(len(own))
    shared = centred.T @ (outputs - mean_output)
    kernel = np.linalg.solve(own, shared).astype(np.float32)
    return {"kernel": kernel, "bias": mean_output - mean_input @ kernel}


def fit_norm(
    inputs: Float[np.ndarray, "tokens hidden_size"],
    outputs: Float[np.ndarray, "tokens hidden_size"],
    epsilon: float,
) -> Fitted:
    """Scale and bias of the LayerNorm of `inputs` that comes nearest to `outputs`."""
    normal = normalise(inputs, epsilon)
    mean_input, mean_output = normal.mean(axis=0), outputs.mean(axis=0)
    centred = normal - mean_input
    scale = np.sum(centred * (outputs - mean_output), axis=0) / np.sum(centred**2, axis=0)
    return {"scale": scale, "bias": mean_output - scale * mean_input}


def normalise(
    rows: Float[np.ndarray, "tokens hidden_size"], epsilon: float
) -> Float[np.ndarray, "tokens hidden_size"]:
    """Each row with mean 0 and variance 1."""
    centred = rows - rows.mean(axis=-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + epsilon)


def dense(inputs: Float[np.ndarray, "tokens inputs"], params: Fitted) -> np.ndarray:
    """inputs @ kernel + bias."""
    return inputs @ params["kernel"] + params["bias"]


def norm(
    inputs: Float[np.ndarray, "tokens hidden_size"], params: Fitted, epsilon: float
) -> np.ndarray:
    """LayerNorm."""
    return normalise(inputs, epsilon) * params["scale"] + params["bias"]


def activate(name: str, inputs: Float[np.ndarray, "tokens hidden_size"]) -> np.ndarray:
    """The named activation."""
    return np.asarray(activation(name)(jnp.asarray(inputs)))
