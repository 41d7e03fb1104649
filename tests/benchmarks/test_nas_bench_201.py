from pathlib import Path

import pytest

from benchmarks.benchmark import Settings
from benchmarks.nas201.accuracies import DATASETS
from benchmarks.nas201.comparison import METHODS
from benchmarks.nas_bench_201 import TARGET_POINTS, run
from benchmarks.recorded import MissingDataError


def test_without_the_table_it_fails(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        run(Settings("smoke", (0,), tmp_path))


@pytest.mark.slow
def test_it_measures_every_method_on_every_dataset_alike_twice(shared_directory: Path) -> None:
    settings = Settings("smoke", (3,), shared_directory)
    document = run(settings).document
    assert document["incumbents"] == 10
    for key in ("gap_points", "gap_points_standard_error", "share_within_target"):
        assert set(document[key]) == set(METHODS)
        for by_dataset in document[key].values():
            assert set(by_dataset) == set(DATASETS)
    assert document["optimum_percent"]["cifar10"] == pytest.approx(94.37, abs=0.005)
    assert document["evaluations"] == {name: method.budget for name, method in METHODS.items()}
    assert run(settings).document == document


@pytest.mark.slow
def test_moves_find_the_optimum_where_random_search_of_the_same_budget_does_not(
    shared_directory: Path,
) -> None:
    # 50 starts; the standard errors are about 0.02 to 0.06 for moves and 0.1 for random search.
    gap = run(Settings("quick", (0, 1), shared_directory)).document["gap_points"]
    for dataset in DATASETS:
        assert gap["moves"][dataset] <= TARGET_POINTS + 0.1
        assert gap["moves"][dataset] < 0.5 * gap["random, 100"][dataset]
