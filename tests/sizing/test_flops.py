"""flops: the counts worked out by hand for BERT-base and DistilBERT."""

import pytest

from distil_jax.models import EncoderConfig
from distil_jax.sizing.flops import encoder_flops, training_flops


def shape(layers: int) -> EncoderConfig:
    return EncoderConfig(
        model_type="bert",
        vocabulary=30522,
        width=768,
        layers=layers,
        heads=12,
        inner_width=3072,
        positions=512,
    )


def test_bert_base_has_the_known_forward_flops() -> None:
    # Twelve layers of 12 x 768^2 weights, two operations each; attention at length 128.
    assert encoder_flops(shape(12), length=0) == 12 * 24 * 768**2
    assert encoder_flops(shape(12), length=128) - encoder_flops(shape(12), length=0) == (
        12 * 4 * 128 * 768
    )


def test_distillation_costs_what_was_counted_by_hand() -> None:
    flops = training_flops(
        shape(12), shape(6), length=0, soft_target=True, cosine=True, decoded_share=1.0
    )
    vocabulary = 2 * 768 * 30522 + 2 * 768**2
    assert flops.teacher == pytest.approx(0.1699e9 + vocabulary, rel=1e-3)
    assert flops.student == pytest.approx(0.2548e9 + 3 * vocabulary, rel=1e-3)
    assert flops.teacher_share == flops.teacher / (flops.teacher + flops.student)


def test_a_teacher_that_no_loss_needs_costs_nothing() -> None:
    flops = training_flops(
        shape(12), shape(6), length=128, soft_target=False, cosine=False, decoded_share=0.15
    )
    assert flops.teacher == 0
    assert flops.teacher_share == 0


def test_recomputed_layers_cost_one_forward_pass_more() -> None:
    def student(recomputed: str) -> float:
        return training_flops(
            None, shape(6), length=128, soft_target=False, cosine=False, decoded_share=0.0,
            recomputed=recomputed,  # type: ignore[arg-type]
        ).student  # fmt: skip

    assert student("layer") == pytest.approx(student("none") * 4 / 3)
    assert student("none") < student("attention") < student("layer")
