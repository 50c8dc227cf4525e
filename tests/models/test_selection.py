import itertools

import numpy as np

from distil_jax.models.selection import choose_blocks, choose_columns


def explained(states, kernel, columns):
    """Variance of states @ kernel that numpy's least squares explains from some columns."""
    centred = states - states.mean(axis=0)
    target = centred @ kernel
    fitted = np.linalg.lstsq(centred[:, columns], target, rcond=None)[0]
    return np.var(centred[:, columns] @ fitted, axis=0).sum()


def states(columns=7, tokens=400, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(tokens, columns)) @ random.normal(size=(columns, columns))


def test_every_step_takes_the_column_that_explains_most():
    wide, kernel = states(), np.random.default_rng(1).normal(size=(7, 3))
    chosen = []
    for count in range(1, 6):
        left = [column for column in range(7) if column not in chosen]
        chosen.append(max(left, key=lambda one: explained(wide, kernel, [*chosen, one])))
        assert choose_columns([wide], [kernel], count).tolist() == sorted(chosen)


def test_a_copy_of_a_column_and_a_column_nobody_reads_are_left_out():
    wide = states(4)
    wide = np.concatenate([wide, 3 * wide[:, :1], 100 * states(1, seed=2)], axis=1)
    kernel = np.concatenate([np.ones((5, 1)), np.zeros((1, 1))])
    kernel = np.concatenate([kernel, np.eye(6)[:, 1:4]], axis=1)
    chosen = choose_columns([wide], [kernel], 4).tolist()
    assert 5 not in chosen
    assert len({0, 4} & set(chosen)) == 1


def test_all_states_have_their_say():
    """Each map reads one column of its own; together the two columns are chosen."""
    first, second = states(5, seed=3), 1000 * states(5, seed=4)
    maps = [np.eye(5)[:, [1]], np.eye(5)[:, [3]]]
    assert choose_columns([first, second], maps, 2).tolist() == [1, 3]


def test_the_best_blocks_are_chosen():
    random = np.random.default_rng(5)
    wide = random.normal(size=(500, 8))
    kernel = np.repeat([3.0, 0.1, 2.0, 0.2], 2)[:, None] * random.normal(size=(8, 4))
    assert choose_blocks(wide, kernel, blocks=4, count=2).tolist() == [0, 2]
    pairs = itertools.combinations(range(4), 2)
    columns = {pair: np.arange(8).reshape(4, 2)[list(pair)].ravel() for pair in pairs}
    best = max(columns, key=lambda pair: explained(wide, kernel, columns[pair]))
    assert best == (0, 2)
