"""prune_vocabulary: a smaller model whose kept tokens read and compute as before."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import transformers

from distil_jax import commandline, models, pretrained, prune_vocabulary
from distil_jax.tokenizer import special_ids
from tests.forward import forward

SIZE = 900


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        commandline.run(prune_vocabulary.main, [str(argument) for argument in arguments])
    return ended.value.code or 0


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("corpus") / "text.txt"
    words = ["the river ran down", "a stone in the old house", "she saw the light", "many years"]
    lines = [f"{words[n % 4]} and {words[(n // 4) % 4]} {n % 7}" for n in range(300)]
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return file


@pytest.fixture(scope="module")
def smaller(tmp_path_factory, corpus) -> Path:
    folder = tmp_path_factory.mktemp("pruned") / "model"
    flags = [f"--input={corpus}", f"--size={SIZE}", f"--output={folder}", "--heldout=0.2"]
    prune_vocabulary.main(["--model=builtin:teacher", *flags])
    return folder


def test_text_with_kept_tokens_reads_and_computes_as_before(smaller):
    before, after = pretrained.load("builtin:teacher"), pretrained.load(smaller)
    assert after.config.vocabulary == len(after.tokenizer) == SIZE
    text = "the old river ran down a stone"
    old, new = (model.tokenizer(text)["input_ids"] for model in (before, after))
    assert old != new
    names = [m.tokenizer.convert_ids_to_tokens(i) for m, i in ((before, old), (after, new))]
    assert names[0] == names[1]

    def logits(model, ids):
        batch = {"tokens": jnp.asarray([ids]), "segments": jnp.ones((1, len(ids)), jnp.int32)}
        return np.asarray(forward(models.MaskedLM(model.config), model.params, batch))[0]

    kept = before.tokenizer.convert_tokens_to_ids(
        after.tokenizer.convert_ids_to_tokens(list(range(SIZE)))
    )
    np.testing.assert_allclose(logits(after, new), logits(before, old)[:, kept], atol=1e-5)


def test_the_folder_opens_in_transformers(smaller):
    model, loading = transformers.AutoModelForMaskedLM.from_pretrained(
        smaller, output_loading_info=True
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    theirs = transformers.AutoTokenizer.from_pretrained(smaller)
    ours = pretrained.load(smaller).tokenizer
    text = "A stone, the river [MASK]."
    assert theirs(text)["input_ids"] == ours(text)["input_ids"]
    assert theirs.mask_token_id in theirs(text)["input_ids"]
    assert model.config.vocab_size == SIZE == len(theirs)
    assert model.config.pad_token_id == theirs.pad_token_id


def test_special_tokens_and_single_characters_stay(smaller):
    before, after = (pretrained.load(name).tokenizer for name in ("builtin:teacher", smaller))
    single = {t for t in before.get_vocab() if len(t.removeprefix("##")) == 1}
    special = set(before.convert_ids_to_tokens(list(special_ids(before).every)))
    assert single | special <= set(after.get_vocab())


def test_it_prints_sizes_and_what_stays(corpus, tmp_path, capsys):
    kept = tmp_path / "kept.txt"
    kept.write_text("the\nriver\n", "utf-8")
    flags = [f"--input={corpus}", f"--keep={kept}", "--heldout=0.2"]
    prune_vocabulary.main(["--model=builtin:teacher", *flags, f"--output={tmp_path / 'model'}"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["tokens", "parameters", "megabytes"]
    assert "held-out tokens are unchanged" in lines[3]
    vocabulary = pretrained.load(tmp_path / "model").tokenizer.get_vocab()
    assert {"the", "river"} <= set(vocabulary)
    assert "stone" not in vocabulary


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size=12"], "a vocabulary of 12 tokens cannot be made"),
        (["--size=9000"], "a vocabulary of 9000 tokens cannot be made"),
        (["--keep=nowhere"], "nowhere cannot be read as a list of tokens"),
        ([], "one of the arguments --size --keep is required"),
    ],
)
def test_bad_input_is_one_line(corpus, tmp_path, capsys, flags, message):
    flags = [*flags, "--model=builtin:teacher", f"--input={corpus}", f"--output={tmp_path / 'm'}"]
    assert run(*flags) in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_a_listed_token_that_is_none_is_named(corpus, tmp_path, capsys):
    (tmp_path / "kept.txt").write_text("the\nqwertz\n", "utf-8")
    flags = [f"--input={corpus}", f"--keep={tmp_path / 'kept.txt'}", f"--output={tmp_path / 'm'}"]
    assert run("--model=builtin:teacher", *flags) == 1
    assert "kept.txt, token 2: 'qwertz' is not in the vocabulary" in capsys.readouterr().err
