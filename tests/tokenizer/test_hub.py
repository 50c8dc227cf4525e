import logging

import pytest
from huggingface_hub import constants

from distil_jax.tokenizer import hub


class Session:
    def __init__(self, fails: bool) -> None:
        self.fails = fails

    def head(self, address: str, timeout: float) -> None:
        if self.fails:
            raise ConnectionError(address)


@pytest.mark.parametrize("fails", [False, True])
def test_answers_if_one_request_succeeds(monkeypatch: pytest.MonkeyPatch, fails: bool):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_session", lambda: Session(fails))
    with hub.access() as online:
        assert online is not fails


def test_offline_by_choice_asks_nobody_and_logs_return(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.get_session", lambda: pytest.fail("asked"))
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    with hub.access() as online:
        assert not online
        assert not logger.isEnabledFor(logging.ERROR)
    assert logger.level == before
