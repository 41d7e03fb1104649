from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from adaptd.adaptation.execution.working_directory import WorkingDirectory
from adaptd.adaptation.keeper import Interrupted, Keeper
from adaptd.clock import FakeClock
from adaptd.search.checkpoint import Checkpoint
from tests.disks import Disk

IDENTITY = {"job": "a", "torch": "2"}


@dataclass
class Kept:
    """A keeper and what it says."""

    path: Path
    clock: FakeClock = field(default_factory=FakeClock)
    warnings: list[str] = field(default_factory=list)
    count: int = 0
    is_to_end: bool = False

    def __post_init__(self) -> None:
        self.path.mkdir(exist_ok=True)
        self.directory = WorkingDirectory(self.path)

    def keeper(self) -> Keeper:
        def note() -> None:
            self.count += 1

        return Keeper(
            self.directory,
            seconds=10,
            is_to_end=lambda: self.is_to_end,
            on_kept=note,
            warn=self.warnings.append,
            monotonic=self.clock.monotonic,
        )


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "work")


def checkpoint(value: float = 1.0) -> Checkpoint:
    return Checkpoint({"x": torch.full((3,), value)}, {"done": 3})


def test_what_was_kept_is_taken_up_by_the_same_job(kept: Kept) -> None:
    first = kept.keeper()
    assert first.take_up(IDENTITY) is None
    first.keep(checkpoint())
    found = kept.keeper().take_up(IDENTITY)
    assert found is not None
    assert found.values["done"] == 3
    assert found.tensors["x"].tolist() == [1, 1, 1]
    assert (kept.count, kept.warnings) == (1, [])


def test_of_another_job_or_version_nothing_stays_and_it_is_said_why(kept: Kept) -> None:
    first = kept.keeper()
    first.take_up(IDENTITY)
    first.keep(checkpoint())
    (kept.path / "reopened").mkdir()
    assert kept.keeper().take_up({**IDENTITY, "torch": "3"}) is None
    (warning,) = kept.warnings
    assert "begun anew" in warning
    assert "torch 2, now 3" in warning
    assert "job" not in warning.split("written with")[1]
    assert [*kept.path.iterdir()] == []


@pytest.mark.parametrize("keep_bytes", [0, 5, 60, -1])
def test_a_torn_checkpoint_is_begun_anew_and_it_is_said_why(kept: Kept, keep_bytes: int) -> None:
    first = kept.keeper()
    first.take_up(IDENTITY)
    first.keep(checkpoint())
    path = kept.directory.checkpoint
    path.write_bytes(path.read_bytes()[:keep_bytes])
    assert kept.keeper().take_up(IDENTITY) is None
    assert "cannot read checkpoint" in kept.warnings[0]


def test_it_is_due_after_so_many_seconds_or_when_somebody_asks_for_an_end(kept: Kept) -> None:
    keeper = kept.keeper()
    keeper.take_up(IDENTITY)
    kept.clock.advance(9.9)
    assert not keeper.should_pause()
    kept.clock.advance(0.2)
    assert keeper.should_pause()
    keeper.keep(checkpoint())
    assert not keeper.should_pause()
    kept.is_to_end = True
    assert keeper.should_pause()
    with pytest.raises(Interrupted):
        keeper.keep(checkpoint(2.0))
    assert Checkpoint.load(kept.directory.checkpoint).tensors["x"].tolist() == [2, 2, 2]


def test_what_takes_long_to_write_is_written_less_often(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = kept.keeper()
    keeper.take_up(IDENTITY)
    # Writing takes 3 seconds: a twentieth of 60.
    monkeypatch.setattr(Checkpoint, "save", lambda _self, _path: kept.clock.advance(3))
    keeper.keep(checkpoint())
    kept.clock.advance(59)
    assert not keeper.should_pause()
    kept.clock.advance(2)
    assert keeper.should_pause()


def test_a_full_disk_is_a_warning_and_the_earlier_checkpoint_stays(disk: Disk) -> None:
    kept = Kept(disk.path / "work")
    keeper = kept.keeper()
    keeper.take_up(IDENTITY)
    keeper.keep(checkpoint())
    disk.fill()
    keeper.keep(Checkpoint({"x": torch.zeros(100_000)}))
    disk.empty()
    assert "could not be written, it goes on" in kept.warnings[0]
    assert "No space left" in kept.warnings[0]
    assert kept.count == 1
    found = kept.keeper().take_up(IDENTITY)
    assert found is not None
    assert found.values["done"] == 3
    assert sorted(path.name for path in kept.path.iterdir()) == ["checkpoint.safetensors"]
