"""Health: warnings from logged lines alone."""

import dataclasses
import math

import numpy as np
import pytest

from distil_jax.data.masking import Masking
from distil_jax.training.health import Expectation, Health, token_frequency_loss

EXPECTED = Expectation(
    floors={"soft_target": 0.0, "masked_lm": 2.0, "cosine": 0.0},
    initial={"soft_target": 2.0, "masked_lm": 6.0, "cosine": 0.5, "accuracy": 0.1,
             "agreement": 0.2},
    teacher={"masked_lm": 2.0, "accuracy": 0.6},
    token_frequency_loss=6.5,
    steady=("soft_target", "masked_lm", "cosine"),
    clip=5.0,
)  # fmt: skip


def line(step: int, **figures: float) -> dict[str, float]:
    return {
        "step": step, "soft_target": 1.0, "masked_lm": 4.0, "cosine": 0.3, "gradient_norm": 3.0,
        "clipped_share": 0.5, **figures,
    }  # fmt: skip


def messages(lines: list[dict[str, float]], expected: Expectation = EXPECTED) -> list[str]:
    health = Health(expected, logged_lines=100)
    message = [concern.message for one in lines for concern in health.see(one)]
    assert message == [concern.message for concern in health.concerns]
    return message


def noisy(level: list[float], spread: float = 0.2) -> list[dict[str, float]]:
    noise = np.random.default_rng(0).normal(0, spread, len(level))
    return [line(i, masked_lm=a + b) for i, (a, b) in enumerate(zip(level, noise, strict=True))]


def test_a_falling_loss_and_a_flat_noisy_one_are_healthy() -> None:
    assert messages(noisy(list(np.geomspace(6, 3, 100)))) == []
    assert messages(noisy([4.0] * 400)) == []


def test_a_loss_that_rises_for_long_is_told_once() -> None:
    message = messages(noisy([*np.linspace(6, 3, 50), *np.linspace(3, 6, 50)]))
    assert len(message) == 1
    assert message[0].startswith("masked LM has been rising")


def test_one_bad_window_is_not_yet_a_rise() -> None:
    level = [4.0] * 20 + [6.0] * 5 + [4.0] * 20
    assert messages(noisy(level)) == []
    assert len(messages(noisy([4.0] * 20 + [6.0] * 10))) == 1


def test_a_scheduled_or_unused_term_may_rise() -> None:
    without = dataclasses.replace(EXPECTED, steady=("soft_target", "cosine"))
    assert messages(noisy([*np.linspace(6, 3, 50), *np.linspace(3, 6, 50)]), without) == []


def test_held_out_figures_worse_than_at_the_start_are_told() -> None:
    worse = line(50, validation_masked_lm=6.4, validation_cosine=0.5, validation_soft_target=2.0)
    message = messages([worse, {**worse, "step": 100}])
    assert len(message) == 1
    assert message[0].startswith("held-out masked LM is 6.400, above 6.000")


@pytest.mark.parametrize(("predictions", "warns"), [(10_000, True), (100, False)])
def test_agreement_below_the_initialisations_by_more_than_chance(predictions, warns) -> None:
    # One standard error of a share of 0.2 is 0.004 of 10,000 predictions and 0.04 of 100.
    message = messages([line(50, validation_agreement=0.17, validation_predictions=predictions)])
    assert bool(message) == warns
    assert all("agreement with the teacher is 17.0%" in one for one in message)


def test_a_gradient_always_far_above_the_bound_is_told() -> None:
    assert messages([line(i, gradient_norm=49.0) for i in range(50)]) == []
    message = messages([line(i, gradient_norm=51.0) for i in range(50)])
    assert len(message) == 1
    assert "never below 51" in message[0]


def test_a_teacher_worse_than_token_frequencies_is_told_before_the_first_step() -> None:
    assert Health(EXPECTED, logged_lines=10).begin() == []
    absurd = dataclasses.replace(EXPECTED, teacher={"masked_lm": 9.0})
    (concern,) = Health(absurd, logged_lines=10).begin()
    assert concern.step == 0
    assert "config.tokenizer" in concern.message


def test_the_same_lines_give_the_same_report_after_a_restart() -> None:
    lines = noisy([*np.linspace(6, 3, 50), *np.linspace(3, 6, 50)])
    once, again = Health(EXPECTED, logged_lines=100), Health(EXPECTED, logged_lines=100)
    for one in lines:
        once.see(one)
    for one in lines[:60]:
        again.see(one)
    for one in lines[60:]:
        again.see(one)
    assert once.report() == again.report()
    assert once.report()["seen"]["masked_lm"] == lines[-1]["masked_lm"]
    assert once.report()["expected"]["masked_lm_floor"] == 2.0


def test_token_frequency_loss_is_the_entropy_of_what_is_masked() -> None:
    counts = np.array([100, 8, 4, 2, 2])
    masking = Masking(5, (0,), 0, 15, 80, 10)
    assert token_frequency_loss(masking, counts) == pytest.approx(1.75 * math.log(2))
    equal = Masking(5, (0,), 0, 15, 80, 10, weights=(1.0, 1 / 8, 1 / 4, 1 / 2, 1 / 2))
    assert token_frequency_loss(equal, counts) == pytest.approx(math.log(4))
