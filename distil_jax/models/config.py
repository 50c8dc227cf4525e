"""The configuration of an encoder: the hyperparameters that determine the parameter tree."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from distil_jax.errors import UserError
from distil_jax.models.block import BERT_BLOCK, Block

ACTIVATIONS = (
    "gelu",
    "gelu_python",
    "gelu_new",
    "gelu_fast",
    "gelu_pytorch_tanh",
    "relu",
    "silu",
    "swish",
    "tanh",
)
"""The names of the functions in `activation.py`."""
EARLIER_FIELDS = {"width": "hidden_size", "inner_width": "mlp_size"}
"""What earlier versions called fields of `EncoderConfig`."""


@dataclass(frozen=True)
class HeadOptions:
    """What a family's heads do otherwise than BERT's, whose options are the defaults.

    Attributes:
      transform: whether the decoder of a language model reads hidden states through a dense map,
        an activation and a LayerNorm, and has a bias.
      transform_activation: of that map; empty: the layers' own.
      transform_everywhere: whether the other heads begin with such a map, too.
      dense_bias, norm_bias: whether that map and its LayerNorm have one.
      pooling: what a classifier reads of a sequence: its first or last token, or the mean of all.
      classifier_dense: whether it has a dense map and an activation before that to the labels.
      classifier_bias: whether that to the labels has one.
      classifier_activation: between the classifier's two dense maps.
      classifier_dropout: before the second; None: the encoder's rate.
      token_classifier_dropout: whether that is a token classifier's rate, too; else the encoder's.
      classifier_input_dropout: whether the first token's state is dropped, too.
      question_answering_dropout: whether the question-answering head drops its input.
    """

    transform: bool = True
    transform_activation: str = ""
    transform_everywhere: bool = False
    dense_bias: bool = True
    norm_bias: bool = True
    pooling: Literal["first", "mean", "last"] = "first"
    classifier_dense: bool = True
    classifier_bias: bool = True
    classifier_activation: str = "tanh"
    classifier_dropout: float | None = None
    token_classifier_dropout: bool = True
    classifier_input_dropout: bool = False
    question_answering_dropout: bool = False


BERT_HEADS = HeadOptions()


@dataclass(frozen=True)
class StudentRule:
    """What a student without token types becomes: a smaller family, if that has the epsilon."""

    model_type: str
    norm_epsilon: float
    head: HeadOptions


@dataclass(frozen=True)
class EncoderConfig:
    """One encoder; how it is computed (dtype, scan, ...) is a module attribute instead.

    `pretrained.families.make_config` fills in what a family fixes. `positions` counts usable
    positions: the table has `positions + position_offset` rows. Without `layers` the embeddings are
    the hidden states. `token_types` is 0 where there is
    no token-type table. `embedding_size` is the tables' width where a dense map leads from them to
    the hidden size, otherwise 0. `tied` says that the decoder of the masked-language-model head is
    the token table.
    """

    model_type: str
    vocabulary: int
    hidden_size: int
    layers: int
    heads: int
    mlp_size: int
    positions: int
    position_offset: int = 0
    token_types: int = 0
    activation: str = "gelu"
    norm_epsilon: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    initializer_range: float = 0.02
    pad_token: int = 0
    tied: bool = True
    embedding_size: int = 0
    block: Block = BERT_BLOCK
    head: HeadOptions = BERT_HEADS
    student_rule: StudentRule | None = None

    def __post_init__(self) -> None:
        """Refuse a shape that cannot be computed; raises `UserError`."""
        if self.layers < 0 or self.heads < 1 or self.hidden_size % self.heads:
            raise UserError(
                f"{self.layers} layers with {self.heads} heads do not fit a hidden size of "
                f"{self.hidden_size}; "
                "the hidden size must be a multiple of the heads, of which there is at least 1"
            )
        if self.embedding_size == self.hidden_size:
            raise UserError(
                f"an embedding_size of {self.embedding_size} equals the hidden size: folders have "
                "no map between equal widths; use another hidden size, or tables without a map"
            )
        for values, name in (
            (self.block.windows, "attention windows"),
            (self.block.thetas, "rotary thetas"),
        ):
            if len(values) not in (0, self.layers):
                raise UserError(f"{len(values)} {name} do not fit {self.layers} layers")
        if self.block.thetas and self.head_size % 2:
            raise UserError(
                f"rotary positions turn pairs; a head size of {self.head_size} has none, use an "
                "even one"
            )

    @property
    def head_size(self) -> int:
        """Size of a query, key or value of one attention head."""
        return self.hidden_size // self.heads

    @property
    def table_size(self) -> int:
        """Width of the embedding tables, and of what the masked-LM decoder multiplies."""
        return self.embedding_size or self.hidden_size

    @property
    def language_head(self) -> str:
        """The head of this model that predicts tokens, a key of `head_kinds.HEADS`."""
        return "causal_lm" if self.block.causal else "masked_lm"

    @property
    def head_activation(self) -> str:
        """Activation of the masked-language-model transform."""
        return self.head.transform_activation or self.activation

    def student(self, layers: tuple[int, ...], *, keep_token_types: bool) -> "EncoderConfig":
        """The same with these layers, and without token types or with the same."""
        config = replace(self, layers=len(layers), block=self.block.of_layers(layers))
        if keep_token_types:
            return config
        config = replace(config, token_types=0)
        rule = self.student_rule
        if rule is None or rule.norm_epsilon != self.norm_epsilon:
            return config
        return replace(config, model_type=rule.model_type, head=rule.head, student_rule=None)


def current_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a saved `EncoderConfig` under today's names."""
    return {EARLIER_FIELDS.get(name, name): value for name, value in fields.items()}
