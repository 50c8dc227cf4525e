import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from distil_jax.data import loader, store
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.errors import UserError


@pytest.fixture(scope="module")
def split(blocks, word_pieces, tmp_path_factory: pytest.TempPathFactory) -> store.Split:
    folder = tmp_path_factory.mktemp("loader")
    (folder / "corpus.txt").write_text("\n\n".join(blocks), "utf-8")
    prepare(
        str(folder / "corpus.txt"),
        folder / "p",
        word_pieces,
        PrepareSettings(document="block", length=64),
    )
    return store.open_split(folder / "p")


def steps(split: store.Split, count: int, **keywords) -> list[loader.Batch]:
    batches = loader.training_batches(split, **keywords)
    found = list(islice(batches, count))
    batches.close()
    return found


def joined(batches: list[loader.Batch], name: str) -> np.ndarray:
    return np.concatenate([batch[name] for batch in batches])


def test_every_row_once_per_epoch_in_new_orders(split: store.Split):
    batches = steps(split, 3 * split.rows, batch=7, seed=3)[: 3 * split.rows // 7 + 1]
    rows = joined(batches, "row")[: 3 * split.rows].reshape(3, -1)
    epochs = joined(batches, "epoch")[: 3 * split.rows].reshape(3, -1)
    assert (np.sort(rows) == np.arange(split.rows)).all()
    assert (epochs == np.arange(3)[:, None]).all()
    assert len({tuple(order) for order in rows} | {tuple(range(split.rows))}) == 4


def test_a_batch_holds_the_rows_it_names(split: store.Split):
    (batch,) = steps(split, 1, batch=9, seed=0)
    stored = split.gather(batch["row"])
    assert all(np.array_equal(batch[name], stored[name]) for name in stored)
    assert {name: array.dtype for name, array in batch.items()} == dict.fromkeys(
        ("tokens", "segments", "epoch", "row"), np.dtype(np.int32)
    )


def test_a_first_row_moves_the_whole_order(split: store.Split):
    whole = steps(split, 3 * split.rows, batch=1, seed=1)
    for first_row in (3, split.rows + 4):
        for processes in (1, 2):
            found = [
                steps(
                    split, 6, batch=4, seed=1, start_step=2, first_row=first_row,
                    process=loader.Process(index, processes),
                )
                for index in range(processes)
            ]  # fmt: skip
            for name in ("row", "epoch"):
                batches = zip(*found, strict=True)
                together = [joined(list(parts), name) for parts in batches]
                expected = joined(whole[first_row + 8 : first_row + 8 + 24], name)
                assert np.array_equal(np.concatenate(together), expected)


def test_the_step_alone_is_the_position(split: store.Split):
    whole = steps(split, 40, batch=5, seed=1)
    for start in (1, 17, 39):
        late = steps(split, 40 - start, batch=5, seed=1, start_step=start)
        assert np.array_equal(joined(late, "row"), joined(whole[start:], "row"))
        assert np.array_equal(joined(late, "epoch"), joined(whole[start:], "epoch"))
    (far,) = steps(split, 1, batch=5, seed=1, start_step=10**9)
    assert far["epoch"][0] == 5 * 10**9 // split.rows


@pytest.mark.parametrize("processes", [2, 3, 6])
def test_processes_together_see_one_batch(split: store.Split, processes: int):
    whole = steps(split, 12, batch=6, seed=2, start_step=3)
    shares = [
        steps(split, 12, batch=6, seed=2, start_step=3, process=loader.Process(i, processes))
        for i in range(processes)
    ]
    for step, batch in enumerate(whole):
        for name, expected in batch.items():
            assert np.array_equal(joined([share[step] for share in shares], name), expected)


def test_a_batch_larger_than_the_split(split: store.Split):
    (batch,) = steps(split, 1, batch=2 * split.rows + 1, seed=0)
    assert np.bincount(batch["row"]).min() == 2
    assert batch["epoch"].tolist() == [0] * split.rows + [1] * split.rows + [2]


def test_seeds_give_different_orders(split: store.Split):
    orders = {tuple(joined(steps(split, 9, batch=4, seed=s), "row")) for s in (0, 1, 2**40)}
    assert len(orders) == 3


@pytest.mark.parametrize("processes", [1, 3])
def test_validation_covers_all_rows_once(split: store.Split, processes: int):
    size = 3 * (split.rows // 6)  # leaves a last batch that is not full
    shares = [
        list(loader.validation_batches(split, batch=size, process=loader.Process(i, processes)))
        for i in range(processes)
    ]
    count = loader.validation_steps(split, batch=size)
    assert [len(share) for share in shares] == [count] * processes
    batches = [share[step] for step in range(count) for share in shares]
    assert all(batch["tokens"].shape == (size // processes, 64) for batch in batches)
    real = joined(batches, "segments").any(axis=1)
    assert joined(batches, "row")[real].tolist() == list(range(split.rows))
    assert 0 < (~real).sum() == count * size - split.rows
    assert (joined(batches, "tokens")[~real] == split.manifest.special.pad).all()
    assert (joined(batches, "row")[~real] == 0).all()


def test_steps_per_epoch(split: store.Split):
    assert loader.steps_per_epoch(split, batch=4) == split.rows / 4
    assert loader.validation_steps(split, batch=split.rows) == 1
    assert loader.validation_steps(split, batch=split.rows - 1) == 2


def test_a_batch_that_processes_cannot_share(split: store.Split):
    for batches in (loader.training_batches, loader.validation_batches):
        keywords = {"seed": 0} if batches is loader.training_batches else {}
        with pytest.raises(UserError, match=r"10 rows .* 4 processes; set it to 8 or 12"):
            next(iter(batches(split, batch=10, process=loader.Process(0, 4), **keywords)))


def test_damage_reaches_the_caller(split: store.Split, monkeypatch: pytest.MonkeyPatch):
    def damaged(self, rows):
        raise UserError("shard a.arrow is damaged")

    monkeypatch.setattr(store.Split, "gather", damaged)
    with pytest.raises(UserError, match=r"a\.arrow"):
        steps(split, 1, batch=2, seed=0)


def test_a_program_ends_with_a_loader_still_open(split: store.Split):
    program = (
        "import sys; from distil_jax.data import loader, store;"
        "batches = loader.training_batches(store.open_split(sys.argv[1]), batch=4, seed=0);"
        "print(next(batches)['row'].shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(split.folder))],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "(4,)\n", "")
