"""Checkpoints in a bucket: Orbax and TensorStore write them there, and none is half there."""

import json
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.errors import UserError
from distil_jax.storage import digests
from distil_jax.storage.bucket import Bucket
from distil_jax.training.checkpoint import Checkpoints


def _state(value: float = 1.0) -> dict[str, Any]:
    return {"w": jnp.full((300, 20), value, jnp.float32), "step": jnp.int32(value)}


def _restored(url: str) -> tuple[int, float]:
    with Checkpoints(url) as checkpoints:
        found = checkpoints.restore(_state())
    assert found is not None
    return found[0], float(found[1]["w"][0, 0])


@pytest.fixture
def saved(bucket: str) -> str:
    """Two steps; the first has the best metric."""
    with Checkpoints(f"{bucket}/run/checkpoints", keep=1) as checkpoints:
        assert checkpoints.latest() is None
        checkpoints.save(1, _state(1), config={"a": 1}, metric=0.5)
        checkpoints.save(2, _state(2), config={"a": 2}, metric=0.7)
    return f"{bucket}/run/checkpoints"


def test_what_was_saved_comes_back_bit_for_bit(bucket: str) -> None:
    noise = jax.random.normal(jax.random.key(0), (1000, 50))
    with Checkpoints(bucket) as checkpoints:
        checkpoints.save(7, {"w": noise}, config={"b": [1, 2]})
        checkpoints.wait()
        assert checkpoints.config(7) == {"b": [1, 2]}
        restored = checkpoints.restore({"w": jnp.zeros_like(noise)})
    assert restored is not None
    assert np.array_equal(restored[1]["w"], noise)


def test_the_last_and_the_best_stay(saved: str) -> None:
    with Checkpoints(saved, keep=1) as checkpoints:
        assert (checkpoints.steps(), checkpoints.best()) == ([1, 2], 1)
        checkpoints.save(3, _state(3), config={}, metric=0.6)
        checkpoints.wait()
        assert checkpoints.steps() == [1, 3]
    assert {name.split("/")[0] for name in Bucket(saved).sizes()} == {"1", "3"}
    assert _restored(saved) == (3, 3.0)


def test_every_object_is_vouched_for(saved: str) -> None:
    bucket = Bucket(saved)
    files = json.loads(bucket.read(f"2/{digests.FILE}"))["files"]
    there = {name.removeprefix("2/"): size for name, size in bucket.sizes("2").items()}
    assert {name: entry["bytes"] for name, entry in files.items()} == {
        name: size for name, size in there.items() if name != digests.FILE
    }


def test_a_step_without_its_digests_is_not_there_and_goes_with_the_next_save(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: object) -> str:
        raise UserError("the store is out of reach")

    with Checkpoints(saved) as checkpoints:
        with monkeypatch.context() as patched:
            patched.setattr(digests, "table", killed)
            patched.setattr(Bucket, "remove_all", lambda *_: None)
            checkpoints.save(3, _state(3), config={})
            with pytest.raises(UserError, match="out of reach"):
                checkpoints.wait()
        assert checkpoints.steps() == [1, 2]
    assert Bucket(saved).sizes("3/state")
    assert _restored(saved) == (2, 2.0)
    with Checkpoints(saved, keep=3) as checkpoints:
        checkpoints.save(4, _state(4), config={})
    assert {name.split("/")[0] for name in Bucket(saved).sizes()} == {"1", "2", "4"}


def test_a_store_that_fails_after_the_commit_does_not_take_the_step_back(
    saved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UserError("the store is out of reach")

    with Checkpoints(saved, keep=1) as checkpoints:
        with monkeypatch.context() as patched:
            patched.setattr("distil_jax.training.checkpoint_bucket.BucketSteps.retire", fail)
            checkpoints.save(3, _state(3), config={})
            with pytest.raises(UserError, match="out of reach"):
                checkpoints.wait()
        assert checkpoints.steps() == [1, 2, 3]
    assert _restored(saved) == (3, 3.0)


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda content: content[:-1], r"about\.json has \d+ bytes instead of \d+"),
        (lambda content: b"x" + content[1:], r"about\.json has other contents"),
    ],
)
def test_a_damaged_step_is_named_and_set_aside(
    saved: str, harm: Any, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = Bucket(saved)
    bucket.write("2/about.json", harm(bucket.read("2/about.json")))
    assert _restored(saved) == (1, 1.0)
    out = capsys.readouterr().out
    assert f"set aside as {saved}/damaged-2" in out
    assert re.search(complaint, out)
    assert {name.split("/")[0] for name in bucket.sizes()} == {"1", "damaged-2"}
    with Checkpoints(saved) as checkpoints:
        assert checkpoints.steps() == [1]


def test_a_truncated_array_is_found_before_it_is_restored(saved: str) -> None:
    bucket = Bucket(saved)
    sizes = bucket.sizes("2/state")
    largest = max(sizes, key=lambda name: sizes[name])
    bucket.write(largest, bucket.read(largest)[:-10])
    with Checkpoints(saved) as checkpoints, pytest.raises(UserError, match=r"is damaged .*instead"):
        checkpoints.restore(_state(), 2)


def test_no_such_bucket_is_one_line(fake_gcs: str) -> None:
    with (
        Checkpoints("gs://nobody-made-this/run") as checkpoints,
        pytest.raises(UserError, match="there is no bucket nobody-made-this"),
    ):
        checkpoints.save(1, _state(), config={})
