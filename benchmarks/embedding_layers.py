"""Which half of a sentence teacher's layers a student starts from."""

from dataclasses import replace
from itertools import islice

import numpy as np

from distil_jax.embedding.embedder import EncoderEmbedder
from distil_jax.models import student_from_teacher

SENTENCES = 256
SHORT = 20
"""Words: the sentences of one compiled program, or two."""


def likeness(teacher, texts):
    """Correlation of short texts' similarities, teacher and first weights, by layers taken."""
    short = list(islice((text for text in texts if len(text.split()) <= SHORT), SENTENCES))
    above = np.triu_indices(len(short), 1)
    expected = similarities(teacher, short)[above]
    found = {}
    for layers in candidates(teacher.model.config):
        cut = cut_teacher(teacher, layers)
        alike = np.corrcoef(similarities(cut, short)[above], expected)[0, 1]
        found[spelt(layers)] = round(float(alike), 4)
    return found


def candidates(shape):
    """Half of the layers: evenly spaced, or cuts of the first and the last ones."""
    layers, half = shape.layers, shape.layers // 2
    cuts = [(*range(first), *range(layers - half + first, layers)) for first in range(half + 1)]
    every = dict.fromkeys([every_other(layers), tuple(range(1, 2 * half, 2)), *cuts])
    return [one for one in every if shape.block.first_norm or one[0] == 0]


def every_other(layers):
    """Half of the layers, rounded down, from the first one on."""
    return tuple(range(0, layers - 1, 2))


def spelt(layers):
    """As config.student.layers takes them; a single number there counts layers."""
    return ",".join(map(str, layers)) + "," * (len(layers) == 1)


def cut_teacher(teacher, layers):
    shape, params = student_from_teacher(teacher.model.config, teacher.model.params, layers)
    return replace(teacher, model=replace(teacher.model, config=shape, params=params))


def similarities(sentence, texts):
    vectors = EncoderEmbedder(sentence)(texts, prompt="")
    return vectors @ vectors.T
