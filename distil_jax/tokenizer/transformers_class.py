"""A tokenizer as transformers opens its folder: by the class that is named there or implied."""

import json
from pathlib import Path
from typing import Any

from distil_jax.tokenizer import tokenizer_config
from distil_jax.tokenizer.special import named_by_content

PROBE = "The year 1905, naïve, 中文 and 🙂."
PROBES = (PROBE, " THE Fox ate  Crème brûlée, ½ ﬁne; mañana 日本")
NORMALISATION = {"add_prefix_space", "do_lower_case", "strip_accents", "tokenize_chinese_chars"}
"""Settings of tokenizer_config.json that say what becomes of a text's characters."""

OF_TYPES = {
    "BertTokenizer": {"bert", "distilbert", "electra"},
    "RobertaTokenizer": {"roberta"},
    "XLMRobertaTokenizer": {"xlm-roberta"},
    "MPNetTokenizer": {"mpnet"},
    "DebertaV2Tokenizer": {"deberta-v2"},
    "GPT2Tokenizer": {"gpt2"},
}
"""Classes that AutoTokenizer opens as they are for models of these types."""


def opened(path: Path) -> Any:
    """As transformers opens it: by the model type alone where it refuses the rest of config.json.

    A tokenizer needs no more of it, and the model's shape is read and checked elsewhere.
    """
    if named := named_class(path):
        import transformers

        return getattr(transformers, named).from_pretrained(str(path), local_files_only=True)
    from transformers import AutoConfig, AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(path), local_files_only=True)
    except Exception:  # of a config.json that is not as the class has it, whatever comes
        try:
            content = json.loads((path / "config.json").read_text("utf-8-sig"))
            config = AutoConfig.for_model(content["model_type"])
        except (OSError, ValueError, KeyError, TypeError):
            config = None
        if config is None:
            raise
        return AutoTokenizer.from_pretrained(str(path), local_files_only=True, config=config)


def named_class(path: Path) -> str | None:
    """The class that AutoTokenizer would take, where that is plain to see.

    AutoTokenizer imports every model's configuration, and PyTorch with them where it is
    installed: seconds of a program that needs neither.
    """
    settings = tokenizer_config.read(path)
    name = str(settings.get("tokenizer_class")).removesuffix("Fast")
    if name not in OF_TYPES or "auto_map" in settings:
        return None
    config = path / "config.json"
    if not config.is_file():
        return name
    try:
        return (
            name
            if json.loads(config.read_text("utf-8-sig"))["model_type"] in OF_TYPES[name]
            else None
        )
    except (ValueError, KeyError, TypeError):  # AutoTokenizer says what is wrong with it
        return None


def as_written(path: Path, opened: Any) -> Any:
    """What tokenizer.json says, where AutoTokenizer made something else of it.

    For some classes transformers builds a tokenizer anew from the vocabulary alone, with the
    class's usual normalisation: a cased or accented vocabulary would be read in lower case. What
    tokenizer_config.json says of it is meant, and stays, unless the class has pieces of another
    kind (BERT's, with a Unigram vocabulary).
    """
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    file = path / "tokenizer.json"
    if not getattr(opened, "is_fast", False):
        return opened
    own, made = (
        Tokenizer.from_file(str(file)),
        Tokenizer.from_str(opened.backend_tokenizer.to_str()),
    )
    for each in (own, made):  # a file may cut and fill as well
        each.no_padding()
        each.no_truncation()
    if all(
        own.encode(text, add_special_tokens=False).ids
        == made.encode(text, add_special_tokens=False).ids
        for text in PROBES
    ):
        return opened
    settings = path / "tokenizer_config.json"
    said = json.loads(settings.read_text("utf-8")) if settings.is_file() else {}
    if NORMALISATION & said.keys() and type(own.model) is type(made.model):
        return opened
    named = {
        name: str(token)
        for name, token in opened.special_tokens_map.items()
        if isinstance(token, str) and own.token_to_id(token) is not None
    }
    return PreTrainedTokenizerFast(
        tokenizer_file=str(file),
        model_max_length=opened.model_max_length,
        **{**named, **named_by_content(file)},
    )


def names_its_class(path: Path) -> bool:
    """Whether the folder says which tokenizer its vocabulary is for, as AutoTokenizer must know."""
    files = (path / "tokenizer_config.json", path / "config.json")
    read = [json.loads(file.read_text("utf-8-sig")) for file in files if file.is_file()]
    return any(content.get(key) for content in read for key in ("tokenizer_class", "model_type"))
