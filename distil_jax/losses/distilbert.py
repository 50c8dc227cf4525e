"""The weighted sum of the three losses."""

from jaxtyping import Array, Float

from distil_jax.losses.weighted_sum import WeightedSum


def distilbert_loss(
    soft_target: WeightedSum,
    masked_lm: WeightedSum,
    cosine: WeightedSum,
    *,
    soft_target_weight: float = 5.0,
    masked_lm_weight: float = 2.0,
    cosine_weight: float = 1.0,
) -> Float[Array, ""]:
    """The weighted sum of the three means; the defaults are those of the released DistilBERT."""
    return (
        soft_target_weight * soft_target.value()
        + masked_lm_weight * masked_lm.value()
        + cosine_weight * cosine.value()
    )
