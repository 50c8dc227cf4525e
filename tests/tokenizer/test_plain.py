"""plain: the same numbers as by transformers, or transformers itself."""

import json

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerBase

from distil_jax import tokenizer
from distil_jax.errors import UserError
from distil_jax.tokenizer.plain import PlainTokenizer, load_plain
from distil_jax.tokenizer.transformers_class import PROBES

TEXTS = (*PROBES, "the [MASK] of the<mask>city , [MASK]")


def same(plain, other) -> bool:
    assert isinstance(plain, PlainTokenizer)
    assert len(plain) == len(other)
    assert plain.get_vocab() == other.get_vocab()
    assert (plain.mask_token, plain.mask_token_id) == (other.mask_token, other.mask_token_id)
    numbers = range(len(other))
    assert [plain.decode([n]) for n in numbers] == [other.decode([n]) for n in numbers]
    assert [plain.convert_ids_to_tokens(n) for n in numbers] == other.convert_ids_to_tokens(
        list(numbers)
    )
    assert tokenizer.difference(plain, other) == ""
    return all(plain(text)["input_ids"] == other(text)["input_ids"] for text in TEXTS)


def change(folder, **settings) -> None:
    file = folder / "tokenizer_config.json"
    content = json.loads(file.read_text()) | settings
    file.write_text(json.dumps({name: value for name, value in content.items() if value != ...}))


@pytest.fixture
def folder(tmp_path, teacher_folder):
    tokenizer.save(tmp_path, tokenizer.load(teacher_folder))
    return tmp_path


def test_the_built_in_teachers():
    name = tokenizer.BUILTIN_TEACHER
    assert same(load_plain(name), tokenizer.load(name))


def test_a_folder_whose_class_alone_names_the_tokens(folder):
    change(folder, **{f"{name}_token": ... for name in ("cls", "sep", "pad", "mask", "unk")})
    assert same(load_plain(folder), tokenizer.load(folder))


def test_a_byte_level_vocabulary(tmp_path):
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["the old river of the city"] * 3, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    backend.save(str(tmp_path / "tokenizer.json"))
    kinds = ("bos", "pad", "eos", "unk", "mask", "cls", "sep")
    names = zip(kinds, [*special, "<s>", "</s>"], strict=True)
    config: dict[str, object] = {f"{kind}_token": token for kind, token in names}
    config |= {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert same(load_plain(tmp_path), tokenizer.load(tmp_path))


@pytest.mark.parametrize(
    "settings",
    [
        {"do_lower_case": False},
        {"strip_accents": True},
        {"mask_token": "[HIDDEN]"},
        {"mask_token": {"__type": "AddedToken", "content": "[MASK]", "lstrip": True}},
        {"additional_special_tokens": ["<extra>"]},
        {"added_tokens_decoder": {"90": {"content": "<extra>", "special": True}}},
    ],
)
def test_what_transformers_changes_it_opens(folder, settings):
    assert isinstance(load_plain(folder), PlainTokenizer)
    change(folder, **settings)
    assert isinstance(load_plain(folder), PreTrainedTokenizerBase)


def test_a_file_without_the_tokens_around_a_text(folder):
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"post_processor": None}))
    assert isinstance(load_plain(folder), PreTrainedTokenizerBase)


def test_a_vocabulary_beside_it_that_disagrees_is_named(folder, capsys):
    load_plain(folder)
    assert capsys.readouterr().err == ""
    (folder / "vocab.txt").write_text("other\n")
    load_plain(folder)
    assert "vocab.txt gives 'other' the number 0" in capsys.readouterr().err


def test_a_damaged_file_is_the_loaders_error(folder):
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="cannot be read as a tokenizer"):
        load_plain(folder)
