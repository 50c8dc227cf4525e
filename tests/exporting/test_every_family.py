"""Every head of every family, and vectors: ONNX and StableHLO give what JAX gives, to 1e-4."""

import json

import jax
import numpy as np
import onnx
import pytest
from jax import export

from distil_jax import models, tokenizer
from distil_jax.exporting.onnx_encoder import input_names
from distil_jax.exporting.onnx_folder import open_session
from distil_jax.exporting.onnx_model import onnx_model
from distil_jax.exporting.stablehlo import stablehlo
from distil_jax.exporting.subject import Subject, of_head, of_sentences
from distil_jax.exporting.vector_outputs import EMBEDDING
from distil_jax.models.head_kinds import HEADS
from distil_jax.models.sentence_vectors import DENSE_ACTIVATIONS, POOLINGS
from distil_jax.models.vector_config import NORMALIZE, DenseStage, VectorConfig
from distil_jax.pretrained import Pretrained, SentenceModel
from distil_jax.pretrained.config_file import read_config
from distil_jax.pretrained.families import FAMILIES
from distil_jax.tasks.table import kind_of_head
from tests.pretrained.conftest import SETTINGS

TOLERANCE = 1e-4
LENGTHS = (14, 9, 3)


@pytest.fixture(scope="module")
def subjects(teacher_folder, tmp_path_factory):
    """A function from a family to all that can be exported of it: one encoder, random heads."""
    from transformers import AutoConfig

    opened = tokenizer.load(teacher_folder)

    def every(family: str) -> dict[str, Subject]:
        folder = tmp_path_factory.mktemp(family)
        content = AutoConfig.for_model(family, **SETTINGS[family]).to_dict()
        (folder / "config.json").write_text(json.dumps(content))
        config, _ = read_config(folder)
        heads = [head for head in HEADS if head in FAMILIES[family].heads]
        made = {head: of_head(random(config, head, opened)) for head in heads}
        encoder = {"encoder": made[heads[0]].model.params["encoder"]}
        bare = Pretrained(config, encoder, None, (), opened)
        vectors = VectorConfig(("mean",), (NORMALIZE,), 20)
        return made | {EMBEDDING: of_sentences(SentenceModel(bare, vectors))}

    return every


def random(config, head, opened) -> Pretrained:
    labels = ("a", "b", "c") if HEADS[head].labelled else ()
    module = kind_of_head(head).model(config, 3)
    shapes = jax.eval_shape(lambda: models.initialize_module(module, jax.random.key(0)))
    draw = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: draw.normal(0, 0.3, leaf.shape).astype("f4"), shapes)
    return Pretrained(config, params, head, labels, opened)


def inputs_for(config):
    """int64 rows of three lengths, padded behind, and which of their places are tokens."""
    draw = np.random.default_rng(1)
    mask = np.arange(max(LENGTHS))[None] < np.asarray(LENGTHS)[:, None]
    tokens = np.where(mask, draw.integers(5, 60, mask.shape), config.pad_token)
    every = (tokens, mask.astype(np.int64), draw.integers(0, 2, mask.shape) * mask)
    return dict(zip(input_names(config), every, strict=False)), mask


def in_jax(every: dict[str, Subject], inputs):
    """The outputs of all of them by one compiled program."""
    params = {name: subject.model.params for name, subject in every.items()}

    @jax.jit
    def forward(params, tokens, segments, *types):
        batch = {"tokens": tokens, "segments": segments}
        batch |= {"token_types": types[0]} if types else {}
        return {name: every[name].forward(params[name], batch) for name in every}

    return jax.device_get(forward(params, *(array.astype(np.int32) for array in inputs.values())))


def separate(found):
    """Start and end of an answer are two outputs of a graph, one in JAX."""
    if isinstance(found, tuple):
        return list(found)
    return [found]


def assert_near(found, expected, mask):
    for ours, theirs in zip(found, expected, strict=True):
        kept = mask if ours.shape[:2] == mask.shape else slice(None)
        assert np.ptp(theirs[kept]) > 0.01
        np.testing.assert_allclose(ours[kept], theirs[kept], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_of_every_head(subjects, family):
    every = subjects(family)
    assert {EMBEDDING, *(set(HEADS) & set(FAMILIES[family].heads))} == set(every)
    inputs, mask = inputs_for(every[EMBEDDING].model.config)
    expected = in_jax(every, inputs)
    for name, subject in every.items():
        proto = onnx_model(subject)
        onnx.checker.check_model(proto, full_check=True)
        session = open_session(proto.SerializeToString(), 1)
        found = session.run(None, inputs)
        theirs = separate(expected[name])
        if name == "question_answering":
            theirs = [theirs[0][..., 0], theirs[0][..., 1]]
        assert_near(found, theirs, mask)
        empty = session.run(None, {name: array[:0] for name, array in inputs.items()})
        assert [len(each) for each in empty] == [0] * len(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_stablehlo_of_every_family_and_in_turn_of_every_head(subjects, family):
    every = subjects(family)
    number = list(FAMILIES).index(family)
    name = sorted(every)[number % len(every)]
    inputs, mask = inputs_for(every[name].model.config)
    expected = separate(in_jax({name: every[name]}, inputs)[name])
    program = export.deserialize(stablehlo(every[name]))
    narrow = [array.astype(np.int32) for array in inputs.values()]
    assert_near(separate(jax.device_get(program.call(*narrow))), expected, mask)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_with_a_dense_stage(subjects, pooling):
    activation = [*DENSE_ACTIVATIONS][[*POOLINGS].index(pooling)]
    encoder = subjects("bert")[EMBEDDING].model
    size = encoder.config.hidden_size
    draw = np.random.default_rng(2)
    kernel = draw.normal(0, 0.3, (2 * size, 8)).astype("f4")
    params = {"0": {"kernel": kernel, "bias": draw.normal(0, 0.3, 8).astype("f4")}}
    stages = (DenseStage(2 * size, 8, activation), NORMALIZE)
    vectors = VectorConfig((pooling, "cls"), stages, 20)
    sentence = SentenceModel(encoder, vectors).with_params({**encoder.params, "dense": params})
    subject = of_sentences(sentence)
    inputs, mask = inputs_for(encoder.config)
    expected = in_jax({"it": subject}, inputs)["it"]
    proto = onnx_model(subject)
    found = open_session(proto.SerializeToString(), 1).run(None, inputs)
    assert_near(found, expected, mask)
    np.testing.assert_allclose(np.linalg.norm(found[1], axis=-1), 1, atol=1e-5)
