"""SentencePiece's own files, of which transformers makes a tokenizer if a package is installed."""

from importlib.util import find_spec
from pathlib import Path

FILES = ("sentencepiece.bpe.model", "spm.model")
"""Those of the supported families: XLM-RoBERTa's, DeBERTa's."""
OTHERS = ("spiece.model", "tokenizer.model")
RESAVE = (
    "save it with a tokenizer.json, as transformers does: "
    "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
)


def needs(file: str) -> str:
    """What is missing for a folder whose tokenizer is this file; empty where nothing is."""
    if file not in FILES or find_spec("sentencepiece"):
        return ""
    return (
        "is SentencePiece's, for which transformers needs a package: pip install sentencepiece "
        f"protobuf, or where these are, {RESAVE}"
    )


def unread(folder: Path) -> str:
    """What to do about a folder without a file that is read; the ending of a sentence."""
    found = next((name for name in OTHERS if (folder / name).is_file()), "")
    return f"{found} is not read: {RESAVE}" if found else "it needs a tokenizer.json or a vocab.txt"
