import inspect
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from distil_jax import tokenizer
from distil_jax.errors import UserError
from distil_jax.tokenizer import tokenizer_folder, transformers_class
from distil_jax.tokenizer.wordpiece import SPECIAL_TOKENS, bert_tokenizer

TEXT = [inspect.getdoc(thing) for thing in (open, sorted, str.split, dict.update)]


@pytest.fixture(scope="module")
def bert():
    return tokenizer.train_wordpiece(lambda: TEXT, 256)


def roberta_folder(folder: Path, model_class: str) -> None:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    if model_class == "XLMRobertaTokenizer":
        backend = Tokenizer(models.Unigram())
        backend.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=80, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    else:
        backend = Tokenizer(models.BPE(unk_token="<unk>"))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    backend.train_from_iterator(TEXT, trainer)
    backend.save(str(folder / "tokenizer.json"))
    names = {"bos": "<s>", "cls": "<s>", "eos": "</s>", "sep": "</s>", "pad": "<pad>"}
    names |= {"unk": "<unk>", "mask": "<mask>"}
    config = {f"{name}_token": token for name, token in names.items()}
    config |= {"tokenizer_class": model_class, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def test_saved_and_loaded_is_the_same(bert, tmp_path: Path):
    tokenizer.save(tmp_path, bert)
    loaded = tokenizer.load(tmp_path)
    assert loaded.get_vocab() == bert.get_vocab()
    assert tokenizer.fingerprint(loaded) == tokenizer.fingerprint(bert)
    assert loaded.model_max_length == 512


@pytest.mark.parametrize("kept", ["tokenizer.json", "vocab.txt"])
def test_one_file_is_enough(bert, tmp_path: Path, kept: str):
    tokenizer.save(tmp_path, bert)
    for file in tmp_path.iterdir():
        if file.name != kept:
            file.unlink()
    loaded = tokenizer.load(tmp_path)
    assert loaded.get_vocab() == bert.get_vocab()
    assert tokenizer.special_ids(loaded) == tokenizer.special_ids(bert)
    assert loaded.tokenize("The old RIVER") == bert.tokenize("The old RIVER")


def test_pieces_that_other_readers_take_for_line_ends(tmp_path: Path):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "\u2028", "\x85", "b"]
    (tmp_path / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), "utf-8")
    assert tokenizer.load(tmp_path).convert_ids_to_tokens(range(9)) == pieces


def test_vocabulary_file_beside_a_model_configuration(bert, tmp_path: Path):
    tokenizer.save(tmp_path, bert)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert tokenizer.load(tmp_path).get_vocab() == bert.get_vocab()


@pytest.mark.parametrize("model_class", ["RobertaTokenizer", "XLMRobertaTokenizer"])
def test_roberta_kinds_open(tmp_path: Path, model_class: str):
    roberta_folder(tmp_path, model_class)
    loaded = tokenizer.load(tmp_path)
    special = tokenizer.special_ids(loaded)
    assert (special.cls, special.pad, special.sep, special.unk, special.mask) == (0, 1, 2, 3, 4)
    again = tmp_path / "again"
    tokenizer.save(again, loaded)
    assert tokenizer.fingerprint(tokenizer.load(again)) == tokenizer.fingerprint(loaded)


def test_builtin_name_means_the_package_folder():
    folder = tokenizer.resolve("builtin:teacher")
    assert folder.parts[-2:] == ("distil_jax", "builtin_teacher")
    assert tokenizer.resolve("some/folder") == Path("some/folder")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (None, "", "holds no tokenizer"),
        ("tokenizer.json", "{", "cannot be read"),
        ("vocab.txt", "a\nb\n", r"lacks \[PAD\]"),
        ("vocab.json", "{}", "no tokenizer_config.json"),
        ("tokenizer.model", "x", "tokenizer.model is not read: save it with a tokenizer.json"),
    ],
)
def test_bad_folder_is_one_clear_error(tmp_path: Path, file: str, content: str, message: str):
    if file:
        (tmp_path / file).write_text(content)
    with pytest.raises(UserError, match=message) as caught:
        tokenizer.load(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(("content", "message"), [("{oops", "as JSON"), ("[]", "a JSON object")])
def test_damaged_settings_are_named_not_the_tokenizer_beside(
    bert, tmp_path: Path, content, message
):
    tokenizer.save(tmp_path, bert)
    (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(UserError, match=rf"tokenizer_config.json .*{message}"):
        tokenizer.load(tmp_path)


@pytest.mark.parametrize("name", ["spm.model", "sentencepiece.bpe.model"])
def test_without_the_package_of_a_file_it_is_named(tmp_path: Path, monkeypatch, name: str):
    def refuse(path: Path) -> None:
        raise ValueError("`tiktoken` is required\nto read it")

    monkeypatch.setattr(tokenizer_folder, "opened", refuse)
    monkeypatch.setattr("distil_jax.tokenizer.sentencepiece_file.find_spec", lambda package: None)
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "config.json").write_text('{"model_type": "deberta-v2"}')
    with pytest.raises(UserError, match=rf"{name} is .* pip install sentencepiece"):
        tokenizer.load(tmp_path)


def test_a_vocabulary_of_another_class_is_not_read_as_nothing(tmp_path: Path):
    """BERT's class makes five tokens of RoBERTa's files, and every text unknown."""
    (tmp_path / "vocab.json").write_text(json.dumps({"<s>": 0, "a": 1, "b": 2, "ab": 3}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\n")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match=r"5 tokens, all special: .* as tokenizer_class"):
        tokenizer.load(tmp_path)


def test_unknown_names_say_so_quickly(tmp_path: Path):
    with pytest.raises(UserError, match="nobody/nothing"):
        tokenizer.load("nobody/nothing")
    with pytest.raises(UserError, match="does not exist"):
        tokenizer.load(tmp_path / "absent")


def test_tokenizer_without_a_mask_is_refused(tmp_path: Path):
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1, "a": 2}, unk_token="[UNK]"))
    backend.add_special_tokens(["[UNK]", "[PAD]"])
    backend.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(UserError, match="no cls, sep, mask token"):
        tokenizer.load(tmp_path)


def test_another_built_in_name_is_told_the_one_there_is():
    with pytest.raises(UserError, match="no model builtin:techer; did you mean builtin:teacher"):
        tokenizer.resolve("builtin:techer")


@pytest.mark.parametrize("beside", [{"model_type": "bert"}, {"model_type": "roberta"}])
def test_a_file_is_read_as_it_is_written_whatever_lies_beside_it(tmp_path: Path, beside):
    """AutoTokenizer would build a lower-casing one from the vocabulary alone."""
    pieces = [*SPECIAL_TOKENS, "The", "the", "year", "Cr", "##\u00e8me", "creme", "fox"]
    cased = bert_tokenizer({piece: number for number, piece in enumerate(pieces)}, lowercase=False)
    cased.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(json.dumps(beside | {"vocab_size": len(pieces)}))
    found = tokenizer.load(tmp_path)
    assert found.tokenize("The Cr\u00e8me") == ["The", "Cr", "##\u00e8me"]
    assert tokenizer.special_ids(found).mask == pieces.index("[MASK]")
    tokenizer.save(tmp_path / "again", found)
    assert tokenizer.load(tmp_path / "again").tokenize("The year") == ["The", "year"]


def test_what_the_settings_say_of_a_file_is_meant(tmp_path: Path):
    pieces = [*SPECIAL_TOKENS, "The", "the"]
    cased = bert_tokenizer({piece: number for number, piece in enumerate(pieces)}, lowercase=False)
    cased.backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    assert tokenizer.load(tmp_path).tokenize("The") == ["the"]


def test_pieces_of_another_kind_than_the_class_has_are_read_as_they_are_written(tmp_path: Path):
    """A BERT with the tokenizer of XLM-R."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "\u2581the", "\u2581The", "\u2581", "x"]
    made = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=3))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    made.add_special_tokens(pieces[:5])
    made.save(str(tmp_path / "tokenizer.json"))
    named = {"cls": "<s>", "sep": "</s>", "pad": "<pad>", "mask": "<mask>", "unk": "<unk>"}
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "strip_accents": None}
    settings |= {f"{name}_token": token for name, token in named.items()}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    found = tokenizer.load(tmp_path)
    assert found("The x")["input_ids"] == [0, 6, 7, 8, 2]
    tokenizer.save(tmp_path / "again", found)
    again = AutoTokenizer.from_pretrained(tmp_path / "again")
    assert again("The x")["input_ids"] == [0, 6, 7, 8, 2]


def test_a_vocabulary_with_settings_but_no_class_is_berts(tmp_path: Path):
    pieces = [*SPECIAL_TOKENS, "the", "caf\u00e9", "cafe", "\u4e2d\u6587", "\u4e2d", "\u6587"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces), "utf-8")
    settings = {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    found = tokenizer.load(tmp_path)
    assert found.tokenize("THE caf\u00e9 \u4e2d\u6587") == ["the", "caf\u00e9", "\u4e2d\u6587"]


def test_a_file_that_fills_and_cuts_is_opened_as_before(tmp_path: Path):
    pieces = [*SPECIAL_TOKENS, "the"]
    made = bert_tokenizer({piece: number for number, piece in enumerate(pieces)}, lowercase=True)
    made.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    backend = Tokenizer.from_file(str(path))
    backend.enable_padding(length=16)
    backend.enable_truncation(3)
    backend.save(str(path))
    found = tokenizer.load(tmp_path)
    assert type(found).__name__ == "BertTokenizer"
    assert found.tokenize("the the the the the") == ["the"] * 5


@pytest.mark.parametrize(
    "change", [{"layer_norm_eps": None}, {"id2label": ["no", "yes"]}, {"hidden_act": None}]
)
def test_a_tokenizer_needs_no_more_of_config_json_than_its_type(teacher_folder, tmp_path, change):
    folder = tmp_path / "copy"
    shutil.copytree(teacher_folder, folder)
    file = folder / "config.json"
    file.write_text("\ufeff" + json.dumps(json.loads(file.read_text()) | change))
    first, second = tokenizer.load(teacher_folder), tokenizer.load(folder)
    assert tokenizer.fingerprint(first) == tokenizer.fingerprint(second)


@pytest.mark.parametrize(
    ("model_class", "model_type", "is_plain"),
    [
        ("RobertaTokenizer", "roberta", True),
        ("RobertaTokenizerFast", "roberta", True),
        ("XLMRobertaTokenizer", "xlm-roberta", True),
        ("XLMRobertaTokenizer", None, True),
        ("XLMRobertaTokenizer", "xlm-roberta-xl", False),
        ("RobertaTokenizer", "bert", False),
        ("BertTokenizer", "electra", True),
        ("BertTokenizer", "distilbert", True),
    ],
)
def test_a_class_that_is_plain_to_see_opens_as_auto_tokenizer_would(
    bert, tmp_path: Path, model_class: str, model_type: str | None, is_plain: bool
):
    from transformers import AutoTokenizer

    if model_class == "BertTokenizer":
        tokenizer.save(tmp_path, bert)
    else:
        roberta_folder(tmp_path, model_class)
    if model_type is not None:
        (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert (transformers_class.named_class(tmp_path) is not None) == is_plain
    found = transformers_class.opened(tmp_path)
    expected = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert type(found) is type(expected)
    assert found.backend_tokenizer.to_str() == expected.backend_tokenizer.to_str()
    assert found.special_tokens_map == expected.special_tokens_map
    assert found.init_kwargs == expected.init_kwargs


def test_neither_other_models_nor_torch_are_imported_for_it():
    """They are seconds of every program's start where PyTorch is installed."""
    code = (
        "import sys; from distil_jax import tokenizer; tokenizer.load('builtin:teacher'); "
        "print({'torch', 'transformers.models.auto.configuration_auto'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
