"""The configuration of an encoder: the hyperparameters that determine the parameter tree."""

from dataclasses import dataclass

from distil_jax.errors import UserError

ROBERTA_TYPES = ("roberta", "xlm-roberta")
MODEL_TYPES = ("bert", "distilbert", *ROBERTA_TYPES)


@dataclass(frozen=True)
class EncoderConfig:
    """One BERT-family encoder; how it is computed (dtype, scan, ...) is a module attribute instead.

    `positions` counts usable positions: the table has `positions + position_offset` rows.
    `token_types` is 0 where there is no token-type table. `tied` says that the decoder of the
    masked-language-model head is the token table.
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

    def __post_init__(self) -> None:
        """Refuse a shape that cannot be computed; raises `UserError`."""
        if self.model_type not in MODEL_TYPES:
            raise UserError(
                f"model type {self.model_type!r} is not supported; use one of "
                f"{', '.join(MODEL_TYPES)}"
            )
        if self.layers < 1 or self.heads < 1 or self.hidden_size % self.heads:
            raise UserError(
                f"{self.layers} layers with {self.heads} heads do not fit a hidden size of "
                f"{self.hidden_size}; "
                "the hidden size must be a multiple of the heads, and both counts at least 1"
            )

    @property
    def head_size(self) -> int:
        """Size of a query, key or value of one attention head."""
        return self.hidden_size // self.heads

    @property
    def head_activation(self) -> str:
        """Activation of the masked-language-model transform; RoBERTa's is always the exact GELU."""
        return "gelu" if self.model_type in ROBERTA_TYPES else self.activation
