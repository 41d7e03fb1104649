from itertools import product

import numpy as np

from benchmarks.nas201.accuracies import Accuracies
from benchmarks.nas201.comparison import METHODS, gaps
from benchmarks.nas201.encoding import EDGES, OPERATIONS


def test_gaps_fall_to_zero_at_most_and_belong_to_their_seed() -> None:
    cells = list(product(OPERATIONS, repeat=EDGES))
    values = np.random.default_rng(0).permutation(len(cells)) / 100
    table = Accuracies("made up", dict(zip(cells, values.tolist(), strict=True)))
    both = gaps(table, seeds=(0, 1), incumbents=3)
    for name, method in METHODS.items():
        assert both[name].shape == (6, method.budget)
        assert (both[name] >= 0).all()
        assert (np.diff(both[name], axis=1) <= 0).all()
    second = gaps(table, seeds=(1,), incumbents=3)
    np.testing.assert_array_equal(both["moves"][3:], second["moves"])
    assert not (both["moves"][:3] == second["moves"]).all()
    # All that start from the incumbent start from the same one.
    np.testing.assert_array_equal(both["moves"][:, 0], both["blind moves"][:, 0])
    np.testing.assert_array_equal(both["moves"][:, 0], both["regularised evolution"][:, 0])
