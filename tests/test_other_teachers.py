"""RoBERTa, XLM-R, ModernBERT and others: from a trained tokenizer by every command to a student."""

# ruff: noqa: RUF001 (the Cyrillic is meant)

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import export, fill_mask, prepare, pretrained
from distil_jax.main import main
from distil_jax.models import MaskedLM
from tests.forward import forward

pytestmark = pytest.mark.usefixtures("blank_figures")

SENTENCES = [
    "The old city by the river was known for its bridges and its markets.",
    "Der Fluß fließt langsam durch die alte Stadt, und die Brücken sind schön.",
    "Старый город у реки известен своими мостами и рынками.",
    "المدينة القديمة على النهر معروفة بجسورها وأسواقها.",
    "河边的老城以桥梁和市场而闻名。",
    "नदी के किनारे का पुराना शहर अपने पुलों के लिए जाना जाता है।",
    "日本の古い都市は川のほとりにあります。🙂",
]
ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines that mix the sentences' words, scripts and all."""
    chosen = random.Random(0)
    words = [word for sentence in SENTENCES for word in sentence.split()]
    lines = [" ".join(chosen.choices(words, k=chosen.randint(8, 24))) for _ in range(200)]
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join([*SENTENCES * 5, *lines]), "utf-8")
    return path


def byte_level(lines: list[str]) -> Any:
    """RoBERTa's kind: byte-level BPE, <mask> after all else, taking the blank before it."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(lines, vocab_size=401, special_tokens=ROBERTA_SPECIAL)
    backend = trained._tokenizer
    return RobertaTokenizerFast(
        vocab=backend.get_vocab(),
        merges=[tuple(pair) for pair in json.loads(backend.to_str())["model"]["merges"]],
    )


def unigram(lines: list[str]) -> Any:
    """XLM-R's kind: SentencePiece's Unigram over words that begin with a low line."""
    from tokenizers import SentencePieceUnigramTokenizer
    from transformers import XLMRobertaTokenizerFast

    trained = SentencePieceUnigramTokenizer()
    trained.train_from_iterator(
        lines, vocab_size=403, special_tokens=ROBERTA_SPECIAL, unk_token="<unk>"
    )
    pieces = json.loads(trained._tokenizer.to_str())["model"]["vocab"]
    return XLMRobertaTokenizerFast(vocab=[(piece, score) for piece, score in pieces])


def cased_word_pieces(lines: list[str]) -> Any:
    """Multilingual BERT's kind: cased WordPiece, accents kept, ideographs alone."""
    from distil_jax import tokenizer

    return tokenizer.train_wordpiece(lambda: lines, 251, lowercase=False, minimum_count=1)


def sentencepiece_bpe(lines: list[str]) -> Any:
    """Llama's kind: SentencePiece's BPE over words that begin with a low line, NFKC, no prefix."""
    from tokenizers import SentencePieceBPETokenizer, processors
    from transformers import PreTrainedTokenizerFast

    trained = SentencePieceBPETokenizer()
    special = [*ROBERTA_SPECIAL, "<mask>"]
    trained.train_from_iterator(lines, vocab_size=405, special_tokens=special)
    backend = trained._tokenizer
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(token, backend.token_to_id(token)) for token in ("<s>", "</s>")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", cls_token="<s>",
        sep_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>",
    )  # fmt: skip


ROBERTA = {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}
KINDS: dict[str, tuple[str, Callable[[list[str]], Any], dict[str, object], int]] = {
    "roberta": ("roberta", byte_level, ROBERTA, 0),
    "xlm-roberta, padded table": ("xlm-roberta", unigram, ROBERTA, 8),
    "multilingual bert": ("bert", cased_word_pieces, {"type_vocab_size": 2}, 0),
    "xlm-roberta-xl": ("xlm-roberta-xl", unigram, ROBERTA, 0),
    "electra": ("electra", cased_word_pieces, {"embedding_size": 8}, 0),
    "modernbert": (
        "modernbert",
        sentencepiece_bpe,
        {"pad_token_id": 1, "local_attention": 8}
        | dict.fromkeys(("bos_token_id", "cls_token_id"), 0)
        | dict.fromkeys(("eos_token_id", "sep_token_id"), 2),
        0,
    ),
}


@pytest.fixture(
    scope="module",
    params=["roberta", *(pytest.param(kind, marks=pytest.mark.slow) for kind in list(KINDS)[1:])],
)
def teacher(
    request: pytest.FixtureRequest, text: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A random teacher that transformers made and saved with its tokenizer."""
    import torch
    import transformers

    model_type, train, settings, unit = KINDS[request.param]
    tokenizer = train(text.read_text("utf-8").splitlines())
    size = len(tokenizer)
    offset = 2 if model_type != "bert" else 0
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        model_type,
        vocab_size=-(-size // unit) * unit if unit else size,
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=96 + offset, initializer_range=0.2, **settings,
    )  # fmt: skip
    model = transformers.AutoModelForMaskedLM.from_config(config)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    folder = tmp_path_factory.mktemp("teacher") / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def theirs(folder: Path, texts: list[str]) -> tuple[Any, np.ndarray]:
    """What transformers' tokenizer and model of a folder make of texts, nothing missing in it."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model, report = AutoModelForMaskedLM.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32
    )
    assert not any(report.values()), report
    encoded = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    names = ("input_ids", "attention_mask")
    with torch.no_grad():
        logits = model.eval()(**{name: encoded[name] for name in names}).logits
    return {name: encoded[name].numpy().astype(np.int32) for name in names}, logits.numpy()


def ours(folder: Path, encoded: Any) -> np.ndarray:
    loaded = pretrained.load(folder, require_head="masked_lm")
    batch = {
        "tokens": jnp.asarray(encoded["input_ids"]),
        "segments": jnp.asarray(encoded["attention_mask"]),
    }
    return np.asarray(forward(MaskedLM(loaded.config), loaded.params, batch))


def assert_same_logits(folder: Path) -> None:
    encoded, expected = theirs(folder, SENTENCES)
    kept = encoded["attention_mask"] > 0
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(ours(folder, encoded)[kept], expected[kept], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_a_teacher_of_another_kind_becomes_a_student_of_its_kind(
    teacher: Path, text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoTokenizer

    assert_same_logits(teacher)
    rows, run, again = tmp_path / "rows", tmp_path / "run", tmp_path / "again"
    prepare.main(
        [f"--input={text}", f"--tokenizer={teacher}", f"--output={rows}", "--length=32",
         "--heldout=0.1", "--shortest_tokens=5"]
    )  # fmt: skip
    manifest = json.loads((rows / "manifest.json").read_text())
    known = AutoTokenizer.from_pretrained(teacher)
    special = manifest["special"]
    assert [special[name] for name in ("cls", "sep", "pad", "mask", "unk")] == [
        known.cls_token_id, known.sep_token_id, known.pad_token_id, known.mask_token_id,
        known.unk_token_id,
    ]  # fmt: skip
    values = {
        "teacher": teacher, "data.train": rows, "batch.size": 8, "total_steps": 4,
        "log.every_steps": 1, "log.tensorboard": False, "eval.every_steps": 4,
        "checkpoint.every_steps": 2, "parallel.devices": 1, "optimizer.learning_rate": 0.01,
    }  # fmt: skip
    main(["--config=base", f"--workdir={run}", *(f"--config.{k}={v}" for k, v in values.items())])
    export.main([f"--workdir={run}", "--step=2", f"--output={again}"])
    teacher_config = json.loads((teacher / "config.json").read_text())
    expected_type = {"bert": "distilbert"}.get(
        teacher_config["model_type"], teacher_config["model_type"]
    )
    for student in (run / "student", again):
        config = json.loads((student / "config.json").read_text())
        assert config["model_type"] == expected_type
        assert config["vocab_size"] == teacher_config["vocab_size"]
        assert config["pad_token_id"] == known.pad_token_id
        layers = config.get("n_layers", config.get("num_hidden_layers"))
        assert layers == 2
        assert_same_logits(student)
        saved = AutoTokenizer.from_pretrained(student)
        assert type(saved) is type(known)
        assert saved(SENTENCES)["input_ids"] == known(SENTENCES)["input_ids"]
        decoded = saved.decode(saved(SENTENCES[1])["input_ids"], skip_special_tokens=True)
        assert decoded == known.decode(known(SENTENCES[1])["input_ids"], skip_special_tokens=True)
    capsys.readouterr()
    mask = known.mask_token
    fill_mask.main(
        [f"--model={run / 'student'}", f"--teacher={teacher}", "--json", f"Der {mask} fließt."]
    )
    filled = json.loads(capsys.readouterr().out)
    assert len(filled["model"]["masks"]) == len(filled["teacher"]["masks"]) == 1
