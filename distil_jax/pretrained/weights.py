"""The weight-name table: where each tensor of a Hugging Face folder lives in the parameters.

Loading and saving both read it. A name is without the family's prefix; `{layer}` in it marks a
tensor that each layer has, and that the parameters stack along a leading axis.
"""

from dataclasses import dataclass, replace

from distil_jax.models import EncoderConfig
from distil_jax.models.block import BUCKETS


@dataclass(frozen=True)
class Weight:
    """One tensor: its path in the parameters, its name in the folder, its shape in dimension names.

    The shape is the parameters'; a transposed weight is stored the other way round. `aliases` are
    other names that some folders use, tried before `name`. `prefixed` weights belong to the
    encoder, and carry the family's prefix in folders with a head. A weight may be one of several
    `parts`, the `part`-th from 0, of the stored tensor's outputs. Layers before `first` have none
    in folders, and ones in the parameters, which nothing reads.
    """

    path: str
    name: str
    shape: tuple[str, ...]
    transposed: bool = False
    aliases: tuple[str, ...] = ()
    prefixed: bool = True
    part: int = 0
    parts: int = 1
    first: int = 0

    @property
    def layered(self) -> bool:
        """Whether each layer has one."""
        return "{layer}" in self.name


def dense(
    path: str,
    name: str,
    inputs: str = "hidden_size",
    outputs: str = "hidden_size",
    prefixed: bool = True,
) -> tuple[Weight, ...]:
    """Kernel and bias of a linear map; the folder stores the kernel as [out, in]."""
    return (
        Weight(f"{path}/kernel", f"{name}.weight", (inputs, outputs), True, prefixed=prefixed),
        Weight(f"{path}/bias", f"{name}.bias", (outputs,), prefixed=prefixed),
    )


def fused_dense(
    paths: tuple[str, ...],
    name: str,
    inputs: str = "hidden_size",
    outputs: str = "hidden_size",
    transposed: bool = True,
) -> tuple[Weight, ...]:
    """Linear maps of the same inputs, whose kernels and biases are stored as one of each.

    Kernels are stored as [in, out] where they are not `transposed`.
    """
    kinds = (("kernel", "weight", (inputs, outputs)), ("bias", "bias", (outputs,)))
    return tuple(
        Weight(
            path=f"{path}/{ours}",
            name=f"{name}.{theirs}",
            shape=shape,
            transposed=transposed and ours == "kernel",
            part=number,
            parts=len(paths),
        )
        for ours, theirs, shape in kinds
        for number, path in enumerate(paths)
    )


def norm(
    path: str, name: str, size: str = "hidden_size", prefixed: bool = True
) -> tuple[Weight, ...]:
    """Scale and bias of a LayerNorm; TensorFlow's names for them were gamma and beta."""
    return tuple(
        Weight(f"{path}/{ours}", f"{name}.{theirs}", (size,), False, (f"{name}.{old}",), prefixed)
        for ours, theirs, old in (("scale", "weight", "gamma"), ("bias", "bias", "beta"))
    )


def decoder(bias: str, decoder: str) -> tuple[Weight, ...]:
    """The decoder's bias, which may be stored again as the decoder's own, and its untied table."""
    own = f"{decoder}.bias"
    return (
        Weight("bias", bias, ("vocabulary",), False, () if bias == own else (own,), False),
        Weight("table", f"{decoder}.weight", ("vocabulary", "table_size"), prefixed=False),
    )


def embeddings(tokens: str, positions: str, token_types: str, norm_name: str) -> tuple[Weight, ...]:
    """The tables and their LayerNorm, by their names below the family's prefix."""
    return (
        Weight("embeddings/tokens", f"{tokens}.weight", ("vocabulary", "table_size")),
        Weight("embeddings/positions", f"{positions}.weight", ("position_rows", "table_size")),
        *norm("embeddings/norm", norm_name, "table_size"),
        Weight("embeddings/token_types", f"{token_types}.weight", ("token_types", "table_size")),
    )


def sizes(config: EncoderConfig, labels: int) -> dict[str, int]:
    """The value of each dimension name."""
    return {
        "vocabulary": config.vocabulary,
        "hidden_size": config.hidden_size,
        "mlp_size": config.mlp_size,
        "table_size": config.table_size,
        "position_rows": config.positions + config.position_offset,
        "token_types": config.token_types,
        "labels": labels,
        "two": 2,
        "relative_buckets": BUCKETS,
        "heads": config.heads,
        "relative_rows": 2 * config.block.relative_span,
    }


def used(weights: tuple[Weight, ...], config: EncoderConfig) -> tuple[Weight, ...]:
    """Those of a family's encoder that this configuration has parameters for."""
    block = config.block
    unused = {
        "embeddings/token_types": config.token_types == 0,
        "embeddings/positions": not block.position_table,
        "embeddings/norm": not block.embedding_norm,
        "embeddings/projection": config.embedding_size == 0,
        "final_norm": block.norm != "pre",
    }
    absent = tuple(path for path, is_absent in unused.items() if is_absent)
    present = tuple(
        weight
        for weight in weights
        if not weight.path.startswith(absent)
        and (config.block.biases or not weight.path.endswith("/bias"))
    )
    if block.first_norm:
        return present
    return tuple(
        replace(weight, first=1) if weight.path.startswith("layers/attention_norm") else weight
        for weight in present
    )
