"""flops: the counts worked out by hand for BERT-base and DistilBERT."""

import dataclasses

import pytest

from distil_jax.configuration import source as config_source
from distil_jax.configuration.schema import Config
from distil_jax.models import EncoderConfig
from distil_jax.planning.flops import (
    config_flops,
    encoder_flops,
    training_flops,
    windowed_cost,
)
from distil_jax.pretrained.families import make_config


def shape(layers: int) -> EncoderConfig:
    return make_config(
        model_type="bert",
        vocabulary=30522,
        hidden_size=768,
        layers=layers,
        heads=12,
        mlp_size=3072,
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
        shape(12), shape(6), length=0, teacher_logits=True, teacher_hidden=True, decoded_share=1.0
    )
    vocabulary = 2 * 768 * 30522 + 2 * 768**2
    assert flops.teacher == pytest.approx(0.1699e9 + vocabulary, rel=1e-3)
    assert flops.student == pytest.approx(0.2548e9 + 3 * vocabulary, rel=1e-3)
    assert flops.teacher_share == flops.teacher / (flops.teacher + flops.student)


def test_a_teacher_that_no_loss_needs_costs_nothing() -> None:
    flops = training_flops(
        shape(12),
        shape(6),
        length=128,
        teacher_logits=False,
        teacher_hidden=False,
        decoded_share=0.15,
    )
    assert flops.teacher == 0
    assert flops.teacher_share == 0


def test_frozen_embeddings_have_no_gradient() -> None:
    def student(tied: bool, frozen: bool) -> float:
        return training_flops(
            None, dataclasses.replace(shape(6), tied=tied), length=128, teacher_logits=False,
            teacher_hidden=False, decoded_share=0.5, frozen_embeddings=frozen,
        ).student  # fmt: skip

    # Neither for what the first layer's queries, keys and values are made of, nor, tied, the table.
    first_layer = 3 * 2 * 768**2
    assert student(False, False) - student(False, True) == pytest.approx(first_layer)
    table = 0.5 * 2 * 768 * 30522
    assert student(True, False) - student(True, True) == pytest.approx(first_layer + table)


@pytest.mark.parametrize(
    ("flags", "logits", "hidden"),
    [
        ([], True, True),
        (["loss.soft_target=0"], False, True),
        (["loss.soft_target=0", "loss.logit_mse=1"], True, True),
        (["loss.soft_target=0", "loss.logit_mse=1", "loss.cosine=0"], True, False),
        (
            ["loss.soft_target=0", "loss.cosine=0", "loss.schedules.soft_target=0:5,1:1"],
            True,
            False,
        ),
        (["loss.schedules.soft_target=0:0,1:0"], False, True),
    ],
)
def test_a_config_is_counted_with_what_its_losses_need(
    flags: list[str], logits: bool, hidden: bool
) -> None:
    config = config_source.read("base", [f"--config.{flag}" for flag in flags])
    expected = training_flops(
        shape(12),
        shape(6),
        length=128,
        teacher_logits=logits,
        teacher_hidden=hidden,
        decoded_share=1.0 if logits else 0.15,
    )
    assert config_flops(config, shape(12), shape(6), length=128) == expected


def test_without_a_loss_of_logits_nothing_is_decoded() -> None:
    flags = ["--config.loss.soft_target=0", "--config.loss.masked_lm=0"]
    expected = training_flops(
        shape(12),
        shape(6),
        length=128,
        teacher_hidden=True,
        teacher_logits=False,
        decoded_share=0.0,
    )
    config = config_source.read("base", flags)
    assert config_flops(config, shape(12), shape(6), length=128) == expected


def test_the_matrix_between_vectors_of_two_widths_is_counted() -> None:
    narrow = dataclasses.replace(shape(6), hidden_size=384)
    config = config_source.read("embedding", ["--config.loss.vector_cosine=1"])
    without = config_source.read("embedding", ["--config.loss.vector_cosine=0"])

    def student(config: Config, teacher: EncoderConfig) -> float:
        return config_flops(config, teacher, narrow, length=64).student

    # Rows of 64 tokens have room for 16 sentences of at least 4; forward once, backward twice.
    matrix = 3 * 2 * 384 * 768 * 16 / 64
    assert student(config, shape(12)) - student(without, shape(12)) == pytest.approx(matrix)
    assert student(config, narrow) == student(without, narrow)


def test_recomputed_layers_cost_one_forward_pass_more() -> None:
    def student(recomputed: str) -> float:
        return training_flops(
            None, shape(6), length=128, teacher_logits=False, teacher_hidden=False,
            decoded_share=0.0, recomputed=recomputed,  # type: ignore[arg-type]
        ).student  # fmt: skip

    assert student("layer") == pytest.approx(student("none") * 4 / 3)
    assert student("none") < student("attention") < student("layer")


def test_a_causal_model_decodes_every_token_and_has_no_transform() -> None:
    sizes = {"vocabulary": 50257, "hidden_size": 768, "heads": 12, "mlp_size": 3072}
    teacher, student = (
        make_config("gpt2", layers=layers, positions=1024, **sizes) for layers in (12, 6)
    )
    flags = ["--config.loss.masked_lm=0", "--config.loss.causal_lm=1"]
    alone = [*flags, "--config.loss.soft_target=0", "--config.loss.cosine=0"]
    both = [
        config_flops(config_source.read("base", f), teacher, student, length=0)
        for f in (flags, alone)
    ]
    vocabulary = 2 * 768 * 50257
    assert [flops.student for flops in both] == [3 * (6 * 24 * 768**2 + vocabulary)] * 2
    assert [flops.teacher for flops in both] == [12 * 24 * 768**2 + vocabulary, 0]


@pytest.mark.parametrize("length", [512, 8192])
def test_a_layer_with_a_window_costs_the_same_at_any_length(length: int) -> None:
    sizes = {"vocabulary": 50368, "hidden_size": 768, "heads": 12, "mlp_size": 1152}
    config = make_config("modernbert", layers=22, positions=8192, **sizes)
    matmuls = 22 * 2 * (4 * 768**2 + 3 * 768 * 1152)
    # Eight global layers, and fourteen whose queries meet the keys of three blocks of 64.
    scores = 4 * 768 * (8 * length + 14 * 192)
    assert encoder_flops(config, length=length) == matmuls + scores
    cost = windowed_cost(config, length=length)
    assert cost is not None
    assert (cost.local_layers, cost.local_keys) == (14, 192)
    assert (cost.global_layers, cost.global_keys) == (8, length)
    assert (cost.flops, cost.all_global_flops) == (
        matmuls + scores,
        matmuls + 4 * 768 * 22 * length,
    )


def test_a_model_without_windows_has_no_local_cost() -> None:
    assert windowed_cost(make_config("bert", 30522, 768, 12, 12, 3072, 512), length=512) is None
