"""How accurate each of the 15,625 cells is, as it was measured and published."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.nas201.encoding import EDGES, OPERATIONS, Cell, from_text

DATASETS = ("cifar10", "cifar100", "imagenet16")


@dataclass(frozen=True)
class Accuracies:
    """Test accuracy in percent after 200 epochs, by cell."""

    dataset: str
    by_cell: Mapping[Cell, float]

    @property
    def optimum(self) -> float:
        """Of the best cell."""
        return max(self.by_cell.values())


def read(path: Path) -> tuple[Accuracies, ...]:
    """One for each dataset. Raises ValueError unless every cell stands in the file once.

    Source: Dong & Yang 2020, "NAS-Bench-201: extending the scope of reproducible neural
    architecture search"; Dong et al. 2021, "NATS-Bench".
    """
    table = pq.read_table(path, columns=["architecture", *DATASETS])
    cells = [from_text(str(text)) for text in table["architecture"].to_pylist()]
    expected = len(OPERATIONS) ** EDGES
    if not len(cells) == len(set(cells)) == expected:
        raise ValueError(
            f"{path}: expected {expected} cells once each, "
            f"got {len(cells)} rows of {len(set(cells))} cells"
        )
    return tuple(
        Accuracies(dataset, dict(zip(cells, table[dataset].to_numpy().tolist(), strict=True)))
        for dataset in DATASETS
    )
