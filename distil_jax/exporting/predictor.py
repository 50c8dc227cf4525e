"""An exported graph as the predictor that evaluation scores."""

import numpy as np

from distil_jax.evaluation.encoding import Encoded
from distil_jax.evaluation.predictor import Predictor
from distil_jax.exporting.onnx_folder import OnnxModel, inputs_of

TOGETHER = 16


def predictor(model: OnnxModel) -> Predictor:
    """Outputs of each sequence, [labels] or [tokens, 2], run in batches of like lengths."""

    def predict(encoded: Encoded) -> list[np.ndarray]:
        found: list[np.ndarray] = [np.empty(0)] * len(encoded)
        order = np.argsort(encoded.lengths, kind="stable")
        for start in range(0, len(order), TOGETHER):
            numbers = order[start : start + TOGETHER]
            inputs = inputs_of(
                [encoded.tokens[number] for number in numbers],
                pad=model.config.pad_token,
                token_types=[encoded.token_types[number] for number in numbers],
            )
            outputs = model.run(inputs)
            for row, number in enumerate(numbers):
                length = len(encoded.tokens[number])
                found[number] = (
                    outputs[0][row]
                    if model.head == "classification"
                    else np.stack([output[row, :length] for output in outputs], axis=-1)
                )
        return found

    return predict
