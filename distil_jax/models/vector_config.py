"""How a sentence's vector is made of its tokens' hidden states, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

NORMALIZE: Literal["normalize"] = "normalize"


@dataclass(frozen=True)
class DenseStage:
    """A dense map behind the pooling, and the function behind it, by PyTorch's name."""

    inputs: int
    outputs: int
    activation: str
    bias: bool = True


Stage = DenseStage | Literal["normalize"]


@dataclass(frozen=True)
class Prompts:
    """Texts that stand before every sentence, by name.

    Attributes:
      default: the name of the one that is used where none is asked for; empty: none.
      pooled: whether a prompt's tokens are part of what is pooled.
    """

    texts: dict[str, str] = field(default_factory=dict, hash=False)
    default: str = ""
    pooled: bool = True


@dataclass(frozen=True)
class VectorConfig:
    """One vector for each sentence.

    Attributes:
      pooling: names of `sentence_vectors.POOLINGS`; the vectors of several stand behind each other.
      stages: dense maps and normalisation, in their order behind the pooling.
      max_length: most tokens of a sentence, special ones included; longer ones are cut.
      lower_case: texts are made lower case before anything else.
    """

    pooling: tuple[str, ...]
    stages: tuple[Stage, ...]
    max_length: int
    lower_case: bool = False
    prompts: Prompts = Prompts()

    def width(self, hidden_size: int) -> int:
        """Of the vectors, from that of the hidden states."""
        widths = [stage.outputs for stage in self.stages if stage != NORMALIZE]
        return widths[-1] if widths else hidden_size * len(self.pooling)


def saved_vectors(fields: Mapping[str, Any]) -> VectorConfig:
    """The `VectorConfig` that `dataclasses.asdict` made these fields of."""
    stages = [each if each == NORMALIZE else DenseStage(**each) for each in fields["stages"]]
    return VectorConfig(
        **{
            **fields,
            "pooling": tuple(fields["pooling"]),
            "stages": tuple(stages),
            "prompts": Prompts(**fields["prompts"]),
        }
    )
