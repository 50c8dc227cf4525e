"""What differs between families of encoders, as data; one file a family holds it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from distil_jax.models import EncoderConfig
from distil_jax.models.block import BERT_BLOCK, Block
from distil_jax.models.config import BERT_HEADS, HeadOptions, StudentRule
from distil_jax.models.head_kinds import HEADS
from distil_jax.pretrained.model import Head
from distil_jax.pretrained.weights import Weight, dense, used

Keys = Mapping[str, tuple[str, Any]]

SHARED_KEYS: Keys = {
    "vocabulary": ("vocab_size", 30522),
    "positions": ("max_position_embeddings", 512),
    "initializer_range": ("initializer_range", 0.02),
    "pad_token": ("pad_token_id", 0),
    "tied": ("tie_word_embeddings", True),
}
UNSUPPORTED: Mapping[str, tuple[Any, str]] = {
    "position_embedding_type": ("absolute", "only absolute position embeddings are supported"),
    "is_decoder": (False, "only encoders are supported"),
    "add_cross_attention": (False, "only encoders without cross-attention are supported"),
}
QUESTION_ANSWERING = dense("outputs", "qa_outputs", outputs="two", prefixed=False)


def no_fields(_: Mapping[str, Any]) -> Mapping[str, Any]:
    """Blocks and heads are the family's constants."""
    return {}


def no_keys(_: EncoderConfig) -> Mapping[str, Any]:
    """config.json has nothing to say about blocks and heads."""
    return {}


def no_offset(pad_token: int) -> int:
    """Positions start at row 0 of their table."""
    return 0


def behind_padding(pad_token: int) -> int:
    """Positions start behind the padding token's number (fairseq's rule)."""
    return pad_token + 1


@dataclass(frozen=True)
class Family:
    """One model type of Hugging Face's.

    Attributes:
      model_type: as config.json names it.
      prefix: of the encoder's tensors in a folder with a head.
      keys: our field: their key, and the value that its absence means.
      encoder: the weights of embeddings and layers, as the parameters nest them.
      heads: the weights of each head that has names of its own here; any other head has those of
        `models.head_kinds.HEADS`.
      classes: the name of transformers' class for each head, and for none.
      shared_kernels: whether several heads have kernels of the same names, so that only the class
        that config.json names tells which one a folder has.
      tied_head: a head that has no tensors of its own while its table is that of the tokens.
      token_keys: keys of special tokens' numbers, which are written as the tokenizer has them.
      fixed_keys: keys that are written with one value and not read.
      unsupported: keys with the one value that they may have, and why.
      position_offset: rows of the position table before the first position, from the padding
        token's number.
      zero_token_types: rows of the table of zeros that is written for a model without token types,
        where the class insists on one; 0: it does not.
      classifier_dropout: the key of the rate of dropout before a classifier's labels; empty: none.
      pooler: name of a dense map that a fresh classifier starts from; empty: none.
      block: the options of the layers, unless config.json decides them.
      head: the options of the heads, likewise.
      read_fields: what config.json decides of a configuration beside `keys`: from its content to
        `block`, `head` or other fields. Raises `UserError` naming key and value.
      written_keys: from a configuration to the keys that say the same; raises `UserError` for what
        they cannot say.
      student_rule: which family a student without token types becomes.
      only: fields for which its folders can express one value alone.
      wider: the family that expresses others.
    """

    model_type: str
    prefix: str
    keys: Keys
    encoder: tuple[Weight, ...]
    heads: Mapping[Head, tuple[Weight, ...]]
    classes: Mapping[Head | None, str]
    shared_kernels: bool = False
    tied_head: Head = ""
    token_keys: tuple[str, ...] = ()
    fixed_keys: Mapping[str, Any] = field(default_factory=dict)
    unsupported: Mapping[str, tuple[Any, str]] = field(default_factory=lambda: UNSUPPORTED)
    position_offset: Callable[[int], int] = no_offset
    zero_token_types: int = 0
    classifier_dropout: str = ""
    pooler: str = ""
    block: Block = BERT_BLOCK
    head: HeadOptions = BERT_HEADS
    student_rule: StudentRule | None = None
    only: Mapping[str, Any] = field(default_factory=dict)
    wider: str = ""
    read_fields: Callable[[Mapping[str, Any]], Mapping[str, Any]] = no_fields
    written_keys: Callable[[EncoderConfig], Mapping[str, Any]] = no_keys

    def fields(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of an `EncoderConfig` that the family decides for this config.json."""
        head, rate = self.head, content.get(self.classifier_dropout)
        if rate is not None:
            head = replace(head, classifier_dropout=float(rate))
        constant = {"block": self.block, "head": head, "student_rule": self.student_rule}
        return {**constant, **self.read_fields(content)}

    def fields_of(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The same for a configuration with these fields, and what it leaves out at its default."""
        named = {self.keys[name][0]: fields[name] for name in self.keys.keys() & fields}
        return self.fields({**self.fixed_keys, **named})

    def encoder_weights(self, config: EncoderConfig) -> tuple[Weight, ...]:
        """The encoder's tensors in a folder of this configuration."""
        return used(self.encoder, config)

    def head_weights(self, config: EncoderConfig, head: Head) -> tuple[Weight, ...]:
        """The head's tensors in a folder of this configuration."""
        weights = self.heads[head] if head in self.heads else _usual(head)
        absent = {
            "table": config.tied,
            "dense/bias": not config.head.dense_bias,
            "norm/bias": not config.head.norm_bias,
        }
        return tuple(weight for weight in weights if not absent.get(weight.path))

    def has_head(self, head: Head) -> bool:
        """Whether this family has such a head."""
        return head in self.classes and (head in self.heads or bool(HEADS[head].usual))


def _usual(head: Head) -> tuple[Weight, ...]:
    kind = HEADS[head]
    return tuple(
        weight
        for path, name in kind.usual.items()
        for weight in dense(path, name, outputs=kind.outputs, prefixed=False)
    )


def classes(prefix: str) -> dict[Head | None, str]:
    """transformers' usual class names behind a family's prefix."""
    return {None: f"{prefix}Model"} | {head: prefix + kind.suffix for head, kind in HEADS.items()}
