"""How many workers there are, and what each may take, where nobody says it."""

import pytest

from adaptd.adaptation.execution import local
from adaptd.adaptation.execution.local import LocalExecutor
from adaptd.clock import FakeClock
from adaptd.config import WorkersConfig

GIB = 2**30


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores, 16 GiB."""
    monkeypatch.setattr(local, "usable_cores", lambda: frozenset(range(8)))
    monkeypatch.setattr(local, "usable_core_count", lambda: 8)
    monkeypatch.setattr(local, "memory_bytes", lambda: 16 * GIB)


@pytest.mark.parametrize(
    ("config", "count", "gibibytes"),
    [
        ({}, 7, 12 / 7),
        ({"threads": 3}, 2, 6),
        ({"threads": 20}, 1, 12),
        # The observer has the other cores to itself.
        ({"cores": [6, 7]}, 2, 6),
        ({"count": 3}, 3, 4),
        ({"count": 3, "memory_bytes": "2GiB"}, 3, 2),
        # As many as find memory, where nobody says how many.
        ({"memory_bytes": "3GiB"}, 4, 3),
    ],
)
def test_one_core_is_the_observer_s_and_so_is_a_quarter_of_the_memory(
    machine: None, config: dict[str, object], count: int, gibibytes: float
) -> None:
    executor = LocalExecutor(WorkersConfig.model_validate(config), clock=FakeClock())
    assert executor.count == count
    assert executor.memory_bytes == pytest.approx(gibibytes * GIB, abs=1)


def test_many_cores_with_little_memory_have_few_workers(
    machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "memory_bytes", lambda: 4 * GIB)
    executor = LocalExecutor(WorkersConfig(), clock=FakeClock())
    assert executor.count == 2
    assert executor.memory_bytes == pytest.approx(1.5 * GIB, abs=1)
    monkeypatch.setattr(local, "memory_bytes", lambda: GIB)
    assert LocalExecutor(WorkersConfig(), clock=FakeClock()).count == 1
