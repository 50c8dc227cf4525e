"""Asking the hub once, quickly and quietly, instead of minutes of retries without a network."""

import contextlib
import logging
from collections.abc import Iterator

TIMEOUT_SECONDS = 5.0


@contextlib.contextmanager
def access() -> Iterator[bool]:
    """Whether the hub answers; inside, the hub library writes nothing to standard error.

    Without an answer (or with HF_HUB_OFFLINE=1) the caller asks for cached files only.
    """
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield _answers()
    finally:
        logger.setLevel(level)


def _answers() -> bool:
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=TIMEOUT_SECONDS)
    except Exception:  # the http library behind it differs between versions, and so its errors
        return False
    return True
