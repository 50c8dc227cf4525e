"""An exported graph as the predictor that evaluation scores."""

import numpy as np

from distil_jax.exporting.onnx_folder import OnnxModel, inputs_of
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.kind import Outputs, Predictor, TaskKind

BATCH_SIZE = 16


def predictor(model: OnnxModel, kind: TaskKind) -> Predictor:
    """The outputs of each sequence, run in batches of like lengths."""

    def predict(encoded: Encoded) -> Outputs:
        outputs: Outputs = [np.empty(0)] * len(encoded)
        order = np.argsort(encoded.lengths, kind="stable")
        for start in range(0, len(order), BATCH_SIZE):
            numbers = order[start : start + BATCH_SIZE]
            inputs = inputs_of(
                [encoded.tokens[number] for number in numbers],
                pad=model.config.pad_token,
                token_types=[encoded.token_types[number] for number in numbers],
            )
            every = model.run(inputs)
            joined = every[0] if len(every) == 1 else np.stack(every, axis=-1)
            for row, number in enumerate(numbers):
                tokens = slice(len(encoded.tokens[number]) if kind.per_token else None)
                outputs[number] = joined[row][tokens]
        return outputs

    return predict
