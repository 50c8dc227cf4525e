"""Options of the objectives that compare sentence vectors within groups of rows."""

from typing import TYPE_CHECKING

from distil_jax.configuration.key import Key
from distil_jax.errors import UsageError

if TYPE_CHECKING:
    from distil_jax.configuration.loss import Loss
    from distil_jax.configuration.schema import Config

ROWS = Key(
    "rows",
    8,
    "Rows whose segments are compared with each other; batch.micro_size must be a multiple of it.",
    at_least=1,
)
WIDTHS = Key(
    "widths",
    "",
    "Matryoshka: first numbers of the vectors that the loss is computed of, too, with weights, as "
    "256:1, 128:1, 64:0.5; the whole vectors weigh 1.",
)
OF_LOGITS = ("soft_target", "masked_lm", "logit_mse", "causal_lm")
TEMPERATURE = Key("temperature", 0.05, "What cosines are divided by before the softmax.", above=0)
SCORES = Key(
    "scores",
    "sigmoid",
    "What a pair's cosine is compared with: the sigmoid of the teacher's score, or the raw score.",
    choices=("sigmoid", "raw"),
)
PAIR_MSE = (SCORES,)
SIMILARITY_MSE = (ROWS, WIDTHS)
SIMILARITY_KL = CONTRASTIVE = (ROWS, WIDTHS, TEMPERATURE)


def parse_widths(text: str) -> dict[int, float]:
    """Weights by width; raises `UsageError` for what is no such list."""
    found: dict[int, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        width, _, weight = part.partition(":")
        try:
            found[int(width)] = float(weight or 1)
        except ValueError:
            raise UsageError(
                f"widths={text!r} is no list of WIDTH:WEIGHT; write it as 256:1, 128:1, 64:0.5"
            ) from None
    if any(width < 1 or not 0 < weight < 1e6 for width, weight in found.items()):
        raise UsageError(f"widths={text!r} needs widths of at least 1 and weights above 0")
    return found


def check_widths(loss: "Loss", width: int) -> None:
    """Refuse more numbers than the student's vectors have: all of them would count twice."""
    for name in loss.active:
        text = str(loss.options.get(name, {}).get("widths", ""))
        if max(parse_widths(text), default=0) > width:
            raise UsageError(
                f"config.loss.options.{name}.widths={text!r}: the student's vectors have {width} "
                "numbers; name smaller widths"
            )


def check_vectors(config: "Config") -> None:
    """Refuse what does not go together with sentence vectors; raises `UsageError`."""
    loss = config.loss
    options = {name: loss.options.get(name, {}) for name in loss.active}
    grouped = {name: chosen for name, chosen in options.items() if "widths" in chosen}
    for name, chosen in grouped.items():
        try:
            parse_widths(chosen["widths"])
        except UsageError as error:
            raise UsageError(f"config.loss.options.{name}.{error}") from None
        rows, micro = chosen["rows"], config.batch.micro_size or config.batch.size
        if micro % rows:
            key = "micro_size" if config.batch.micro_size else "size"
            raise UsageError(
                f"config.batch.{key}={micro} is no multiple of config.loss.options.{name}.rows="
                f"{rows}, the rows whose sentences are compared with each other"
            )
    masked = [name for name in OF_LOGITS if loss.of_vectors and name in loss.active]
    if masked:
        zero = " and ".join(f"config.loss.{name}=0" for name in masked)
        raise UsageError(
            f"config.loss.{masked[0]} is of single tokens, and other active objectives are of "
            f"sentences, of which nothing is masked; set {zero}"
        )
