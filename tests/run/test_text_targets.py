"""Teachers that read other tokens than the student: their vectors are taken by text."""

import dataclasses
import json
import shutil
import string

import jax
import numpy as np
import pytest

from distil_jax import cache, pretrained
from distil_jax.configuration import source
from distil_jax.embedding.embedder import EncoderEmbedder
from distil_jax.errors import UserError
from distil_jax.evaluation.batched_forward import BatchedForward
from distil_jax.export import main as export
from distil_jax.main import main
from distil_jax.models import initialize
from distil_jax.pretrained import load_sentence_model, save
from distil_jax.pretrained.families import make_config
from distil_jax.run.setup import load_inputs, set_up, types_begun_with
from distil_jax.run.text_targets import FOLDER
from distil_jax.target_store import open_texts
from distil_jax.tasks.encoding import encode
from distil_jax.tasks.network import Network, fresh_head
from distil_jax.tasks.rerank import POINTWISE
from distil_jax.tokenizer.wordpiece import bert_tokenizer
from distil_jax.training import precision
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.metrics_file import read
from distil_jax.training.parallel import Devices
from distil_jax.training.workdir import resolve

STEPS = 3


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Sentences, of which some are longer than a row."""
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    draw = np.random.default_rng(0)
    words = ["the", "river", "old", "city", "was", "in", "is", "to"]
    lengths = draw.integers(2, 5, 160).tolist() + [20] * 6
    rows = [{"text": " ".join(draw.choice(words, length))} for length in lengths]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def other_student(tmp_path_factory):
    """A narrower model that reads letters."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = string.ascii_lowercase
    pieces = [*special, *(f"##{letter}" for letter in letters), *letters]
    tokenizer = bert_tokenizer({piece: i for i, piece in enumerate(pieces)}, lowercase=True)
    shape = make_config(
        model_type="bert",
        vocabulary=len(pieces),
        hidden_size=16,
        layers=1,
        heads=2,
        mlp_size=32,
        positions=64,
        token_types=0,
        pad_token=0,
    )
    params = initialize(shape, jax.random.key(3))
    folder = tmp_path_factory.mktemp("other") / "model"
    save(folder, pretrained.Pretrained(shape, params, "masked_lm", (), tokenizer))
    return folder


@pytest.fixture(scope="module")
def command(texts):
    def command_line(**changes):
        values = {
            "data.train": texts,
            "data.heldout": 0.2,
            "batch.size": 8,
            "batch.length": 16,
            "total_steps": STEPS,
            "loss.options.similarity_mse.rows": 2,
            "log.every_steps": 1,
            "log.tensorboard": False,
            "eval.every_steps": STEPS,
            "checkpoint.every_steps": 2,
            "parallel.devices": 1,
        } | changes
        return ["--config=embedding", *(f"--config.{key}={value}" for key, value in values.items())]

    return command_line


@pytest.fixture(scope="module")
def stored(command, teacher_folder, shallow_folder, tmp_path_factory):
    """Targets of a student that has its teacher's tokenizer."""
    folder = tmp_path_factory.mktemp("stored") / "vectors"
    flags = command(teacher=teacher_folder, **{"student.folder": shallow_folder})
    cache.main([*flags, f"--output={folder}"])
    return folder


def test_stored_vectors_teach_what_the_live_teacher_does(
    command, stored, teacher_folder, shallow_folder, tmp_path, blank_figures
):
    live = command(teacher=teacher_folder, **{"student.folder": shallow_folder})
    main([*live, f"--workdir={tmp_path / 'live'}"])
    changes = {"teacher": "", "targets": stored, "student.folder": shallow_folder}
    main([*command(**changes), f"--workdir={tmp_path / 'stored'}"])
    lines = [read(tmp_path / run / "metrics.jsonl") for run in ("live", "stored")]
    for name in ("loss", "vector_cosine", "similarity_mse"):
        one, other = ([line[name] for line in each if name in line] for each in lines)
        assert len(one) == STEPS
        # A text that is cut within a word is tokenised anew, and its vector is a little another.
        np.testing.assert_allclose(one, other, rtol=2e-2, err_msg=name)
    of_live, found = (
        json.loads((tmp_path / run / "results.json").read_text())["models"]
        for run in ("live", "stored")
    )
    assert "student, distilled" in found
    assert next(iter(found)) == "teacher"
    assert found["teacher"] == {"parameters": of_live["teacher"]["parameters"]}


@pytest.mark.slow
def test_a_student_of_another_tokenizer_and_width_learns_and_resumes(
    command, other_student, teacher_folder, tmp_path, blank_figures, monkeypatch
):
    workdir = tmp_path / "run"
    changes = {"teacher": teacher_folder, "student.folder": other_student}
    main([*command(**changes), f"--workdir={workdir}"])
    shutil.rmtree(workdir / "checkpoints" / str(STEPS))
    shutil.rmtree(workdir / "student")
    monkeypatch.delattr(EncoderEmbedder, "__call__")  # what is stored is not computed again
    main([*command(**changes), f"--workdir={workdir}"])
    assert [line["step"] for line in read(workdir / "metrics.jsonl") if "loss" in line] == [1, 2, 3]
    student = load_sentence_model(workdir / "student")
    assert student.width == 16
    assert "objectives" not in student.model.params
    losses = [line["vector_cosine"] for line in read(workdir / "metrics.jsonl") if "loss" in line]
    assert losses[-1] < losses[0]
    export([f"--workdir={workdir}", f"--output={tmp_path / 'model'}"])
    assert load_sentence_model(tmp_path / "model").width == 16


def test_each_segment_has_the_vector_of_its_text(
    command, other_student, teacher_folder, tmp_path, texts
):
    changes = {"teacher": teacher_folder, "student.folder": other_student}
    flags = [flag for flag in command(**changes) if flag != "--config=embedding"]
    config = source.read("embedding", flags)
    workdir = resolve(str(tmp_path / "run"))
    with Checkpoints(tmp_path / "run", keep=1, keep_best=0, lower_is_better=True) as checkpoints:
        setup = set_up(load_inputs(config), workdir, "", checkpoints)
        batch = next(setup.training_batches(0))
    embedder = EncoderEmbedder(load_sentence_model(teacher_folder))
    plain = setup.models.tokenizer
    known = [json.loads(line)["text"] for line in texts.read_text().splitlines()]
    by_letters = {text.replace(" ", ""): text for text in known}
    checked = 0
    for row in range(8):
        for number in range(1, batch["segments"][row].max() + 1):
            tokens = batch["tokens"][row][batch["segments"][row] == number]
            letters = plain.decode(tokens, skip_special_tokens=True).replace(" ", "")
            if letters in by_letters:
                expected = embedder([by_letters[letters]])[0]
                got = batch["target_vectors"][row, number - 1]
                np.testing.assert_allclose(got, expected, atol=1e-5)
                checked += 1
    assert checked > 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss.hidden_mse": 1.0}, "hidden_mse compares the teacher's insides token by token"),
        (
            {"data.train": "{rows}"},
            "are prepared rows, and a teacher that does not read the",
        ),
    ],
)
def test_what_cannot_be_taken_by_text_is_refused(
    command, other_student, teacher_folder, rows_folder, tmp_path, changes, message
):
    changes = {key: str(value).format(rows=rows_folder) for key, value in changes.items()}
    flags = command(teacher=teacher_folder, **{"student.folder": other_student}, **changes)
    with pytest.raises(UserError, match=message):
        main([*flags, f"--workdir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_vectors_of_other_texts_or_another_teacher_are_refused(
    command, stored, shallow_folder, other_student, tmp_path
):
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps({"text": f"the river {n}"}) + "\n" for n in range(200)))
    changes = {"targets": stored, "student.folder": shallow_folder, "data.train": other}
    with pytest.raises(UserError, match=r"hold no vector of \d+ of the texts, first 'the river"):
        main([*command(teacher="", **changes), f"--workdir={tmp_path / 'run'}"])
    changes["teacher"] = shallow_folder
    with pytest.raises(UserError, match=r"are of another teacher than config\.teacher="):
        main([*command(**changes), f"--workdir={tmp_path / 'run'}"])


@pytest.fixture(scope="module")
def cross_encoder(shallow_folder, tmp_path_factory):
    """A random model of one score for a pair."""
    model = pretrained.load(shallow_folder)
    head = fresh_head(POINTWISE, model.config, 1, jax.random.key(5))
    params = {"encoder": model.params["encoder"], "head": head}
    folder = tmp_path_factory.mktemp("cross") / "model"
    changes = {"params": params, "head": "classification", "labels": ("score",)}
    save(folder, dataclasses.replace(model, problem_type="regression", **changes))
    return folder


@pytest.fixture(scope="module")
def pairs(texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    every = [json.loads(line)["text"] for line in texts.read_text().splitlines()]
    rows = [{"a": one, "b": other} for one, other in zip(every[::2], every[1::2], strict=True)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def of_pairs(command, pairs, other_student):
    def command_line(**changes):
        values = {
            "data.train": pairs,
            "data.column": "a,b",
            "student.folder": other_student,
            "batch.length": 32,
            "loss.vector_cosine": 0.0,
            "loss.similarity_mse": 0.0,
            "loss.pair_mse": 1.0,
        }
        return command(**values | changes)

    return command_line


@pytest.mark.slow
def test_a_cross_encoder_teaches_cosines_of_pairs(
    of_pairs, cross_encoder, pairs, tmp_path, blank_figures
):
    workdir = tmp_path / "run"
    changes = {"total_steps": 30, "optimizer.learning_rate": 3e-3, "eval.every_steps": 30}
    main([*of_pairs(teacher=cross_encoder, **changes), f"--workdir={workdir}"])
    found = json.loads((workdir / "results.json").read_text())["models"]
    before, after = (found[f"student, {name}"]["pair_mse"] for name in ("initialised", "distilled"))
    assert after < 0.85 * before
    row = json.loads(pairs.read_text().splitlines()[3])
    (score,) = open_texts(workdir / "vectors").gather([(row["a"], row["b"])])["score"]
    model = pretrained.load(cross_encoder)
    encoded = encode([row["a"]], [row["b"]], model.tokenizer, length=64)
    network = Network(POINTWISE, model.config, 1, 64)
    forward = BatchedForward(network, Devices("jit", tuple(jax.devices()[:1])), 0)
    np.testing.assert_allclose(score, forward(model.params)(encoded)[0][0], atol=1e-5)
    assert load_sentence_model(workdir / "student").width == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss.vector_cosine": 1.0}, r"has no vectors of sentences; set config\.loss\.vector_cos"),
        ({"student.folder": ""}, "no sentence model is made of; set config.student.folder"),
        ({"teacher": "{teacher}"}, "has no sequence-classification head"),
        ({"teacher": "", "targets": "{stored}"}, "hold vectors, and the active objectives need sc"),
    ],
)
def test_what_does_not_go_with_scores_of_pairs_is_refused(
    of_pairs, cross_encoder, teacher_folder, stored, tmp_path, changes, message
):
    places = {"teacher": teacher_folder, "stored": stored}
    changes = {key: str(value).format(**places) for key, value in changes.items()}
    with pytest.raises(UserError, match=message):
        main([*of_pairs(**{"teacher": cross_encoder} | changes), f"--workdir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_what_is_stored_says_whose_it_is(stored, teacher_folder):
    table = open_texts(stored)
    assert table.notes["name"] == str(teacher_folder)
    assert [column.name for column in table.columns] == ["vector"]
    assert table.notes["parameters"] > 1000


def test_auto_stays_what_vectors_were_begun_in(
    command, teacher_folder, shallow_folder, tmp_path, monkeypatch, capsys
):
    auto = {"teacher": teacher_folder, "precision.teacher": "auto"}
    keys = command(**auto, **{"student.folder": shallow_folder})
    folder = tmp_path / "run" / FOLDER
    for ratio in (9.0, 0.1):
        monkeypatch.setattr(precision, "_ratio", lambda ratio=ratio: ratio)
        cache.main([*keys, f"--output={folder}"])
        assert f"stored {folder}" in capsys.readouterr().out
    assert types_begun_with(tmp_path / "run") == {"teacher": "bfloat16"}


def test_vectors_computed_in_bfloat16_serve_whatever_a_run_computes_in(
    command, teacher_folder, shallow_folder, tmp_path
):
    both = {"teacher": teacher_folder, "student.folder": shallow_folder}
    folder = tmp_path / "vectors"
    cache.main([*command(**both, **{"precision.teacher": "bfloat16"}), f"--output={folder}"])
    assert open_texts(folder).settings["precision"] == "bfloat16"
    main([*command(**both, targets=folder), f"--workdir={tmp_path / 'run'}"])
    assert (tmp_path / "run" / "student" / "config.json").is_file()
