from pathlib import Path

import pytest

from benchmarks.benchmark import Settings
from benchmarks.nas201.accuracies import DATASETS, Accuracies, read
from benchmarks.nas201.comparison import METHODS
from benchmarks.nas201.encoding import from_text
from benchmarks.nas_bench_201 import FILE, TARGET_POINTS, compare, described, run, trained
from benchmarks.recorded import MissingDataError, recorded


def test_without_the_table_it_fails(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        run(Settings("smoke", (0,), tmp_path))


@pytest.fixture(scope="module")
def tables(shared_directory: Path) -> tuple[Accuracies, ...]:
    return read(recorded(shared_directory, FILE))


@pytest.mark.slow
def test_it_measures_every_method_on_every_dataset_alike_twice(
    tables: tuple[Accuracies, ...], tmp_path: Path
) -> None:
    settings = Settings("smoke", (3,), tmp_path)
    document = described(tables, compare(tables, settings))
    assert document["incumbents"] == 10
    for key in ("gap_points", "gap_points_standard_error", "share_within_target"):
        assert set(document[key]) == set(METHODS)
        for by_dataset in document[key].values():
            assert set(by_dataset) == set(DATASETS)
    assert document["optimum_percent"]["cifar10"] == pytest.approx(94.37, abs=0.005)
    assert document["evaluations"] == {name: method.budget for name, method in METHODS.items()}
    assert described(tables, compare(tables, settings)) == document


@pytest.mark.slow
def test_moves_find_the_optimum_where_random_search_of_the_same_budget_does_not(
    tables: tuple[Accuracies, ...], tmp_path: Path
) -> None:
    # 50 starts; the standard errors are about 0.02 to 0.06 for moves and 0.1 for random search.
    settings = Settings("quick", (0, 1), tmp_path)
    gap = described(tables, compare(tables, settings))["gap_points"]
    for dataset in DATASETS:
        assert gap["moves"][dataset] <= TARGET_POINTS + 0.1
        assert gap["moves"][dataset] < 0.5 * gap["random, 100"][dataset]


@pytest.mark.slow
def test_the_cell_itself_is_searched_with_and_without_guards(
    tables: tuple[Accuracies, ...], shared_directory: Path
) -> None:
    found = trained(tables, Settings("smoke", (0,), shared_directory))
    for figure in ("accuracy", "skips", "oracle_percent", "memory_ratio"):
        assert set(found[f"trained_{figure}"]) == {"bounded", "darts-1st", "darts-2nd"}
        for by_guards in found[f"trained_{figure}"].values():
            assert set(by_guards) == {"with guards", "without guards"}
    for by_guards in found["trained_cell"].values():
        assert all(cell in tables[0].by_cell for cell in map(from_text, by_guards["with guards"]))
    memory = found["trained_memory_ratio"]
    assert memory["bounded"]["with guards"] < memory["darts-1st"]["with guards"]
