"""Dense maps and LayerNorms fitted by least squares."""

import numpy as np
from jaxtyping import Float

RIDGE = 1e-4
"""Added to the inputs' covariance, as a share of its mean diagonal."""

Fitted = dict[str, np.ndarray]


def fit_dense(
    inputs: Float[np.ndarray, "tokens inputs"],
    outputs: Float[np.ndarray, "tokens outputs"],
    *,
    bias: bool = True,
) -> Fitted:
    """Kernel [inputs, outputs] and bias of the affine map nearest to `outputs` in squared error."""
    mean_input, mean_output = inputs.mean(axis=0), outputs.mean(axis=0)
    if not bias:
        mean_input, mean_output = 0 * mean_input, 0 * mean_output
    centred = inputs - mean_input
    covariance = (centred.T @ centred).astype(np.float64)
    size = len(covariance)
    covariance += RIDGE * np.trace(covariance) / size * np.eye(size)
    shared = centred.T @ (outputs - mean_output)
    kernel = np.linalg.solve(covariance, shared).astype(np.float32)
    if not bias:
        return {"kernel": kernel}
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
