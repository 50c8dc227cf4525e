from pathlib import Path

from distil_jax.evaluation.settings import Settings

ASKED = {"model": "student", "task": "sst2", "data": "texts", "output": Path("scores")}


def test_results_of_earlier_versions_belong_to_the_same_settings() -> None:
    """They do not say what they had no choice of."""
    content = Settings(**ASKED).as_json()
    assert content.keys().isdisjoint({"optimizer", "decay", "objectives"})
    content = Settings(**ASKED, optimizer="lion", schedule="wsd", decay=0.5).as_json()
    assert (content["optimizer"], content["schedule"], content["decay"]) == ("lion", "wsd", 0.5)
