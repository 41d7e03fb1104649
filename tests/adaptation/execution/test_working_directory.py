import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adaptd.adaptation.execution import working_directory
from adaptd.adaptation.execution.working_directory import WorkingDirectory
from adaptd.adaptation.job import Job, Result
from adaptd.errors import StaleEpochError, WorkerFailed
from tests.adaptation.conftest import JobMaker
from tests.disks import Disk


@pytest.fixture
def wanted(job: JobMaker) -> Job:
    return job(100, epoch=4)


@pytest.fixture
def directory(wanted: Job) -> Iterator[WorkingDirectory]:
    made = WorkingDirectory(wanted.output)
    with made.hold(wanted, pid=1):
        yield made


def result_for(job: Job) -> Result:
    return Result(job=job.digest, epoch=job.epoch, cpu_seconds=2.0)


def test_a_job_is_the_same_whoever_asks_and_wherever_it_lies(wanted: Job) -> None:
    elsewhere = {"epoch": 9, "output": Path("/a"), "records": Path("/b"), "champion": Path("/c")}
    assert wanted.model_copy(update=elsewhere).digest == wanted.digest
    for other in ({"steps": 21}, {"seed": 8}, {"records_digest": "0"}, {"champion_digest": "0"}):
        assert wanted.model_copy(update=other).digest != wanted.digest


def test_a_result_is_whole_or_not_there_and_for_who_asked(
    directory: WorkingDirectory, wanted: Job
) -> None:
    assert directory.result(wanted) is None
    directory.finish(result_for(wanted))
    assert directory.result(wanted) == result_for(wanted)
    # A later owner does not take it, nor one who asks for something else.
    assert directory.result(wanted.model_copy(update={"epoch": 5})) is None
    assert directory.result(wanted.model_copy(update={"steps": 21})) is None
    path = directory.path / "result.json"
    path.write_bytes(path.read_bytes()[:-9])
    assert directory.result(wanted) is None


def test_an_earlier_owner_s_worker_does_not_begin(directory: WorkingDirectory, wanted: Job) -> None:
    late = wanted.model_copy(update={"epoch": 3})
    other = WorkingDirectory(directory.path.with_name("other"))
    with other.hold(wanted, pid=1):
        pass
    with (
        pytest.raises(StaleEpochError, match="epoch 3 is not the current one, 4"),
        other.hold(late, pid=2),
    ):
        pytest.fail("it began")


def test_one_worker_at_a_time(
    directory: WorkingDirectory, wanted: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_directory, "HOLD_SECONDS", 0.1)
    with (
        pytest.raises(WorkerFailed, match="held by another worker, process 1"),
        WorkingDirectory(directory.path).hold(wanted, pid=2),
    ):
        pytest.fail("it began")


def test_costs_add_up_over_attempts_and_are_not_another_job_s(wanted: Job) -> None:
    directory = WorkingDirectory(wanted.output)
    for pid, seconds in ((7, 1.5), (7, 2.0), (8, 0.25)):
        with directory.hold(wanted, pid=pid):
            directory.charge(wanted, pid=pid, cpu_seconds=0.1)
            directory.charge(wanted, pid=pid, cpu_seconds=seconds)
    # One that ended before it could begin.
    directory.charge(wanted, pid=9, cpu_seconds=1.0)
    directory.charge(wanted, pid=9, cpu_seconds=1.0)
    assert directory.spent(wanted) == pytest.approx(4.75)
    assert directory.spent(wanted.model_copy(update={"epoch": 5})) == pytest.approx(4.75)
    assert directory.spent(wanted.model_copy(update={"steps": 21})) == 0


@pytest.mark.parametrize("data", [b"", b"[]", b'{"attempts": 3}', b"\xff"])
def test_a_damaged_count_of_attempts_is_begun_anew(wanted: Job, data: bytes) -> None:
    directory = WorkingDirectory(wanted.output)
    wanted.output.mkdir(parents=True)
    (wanted.output / "attempts.json").write_bytes(data)
    with directory.hold(wanted, pid=7):
        directory.charge(wanted, pid=7, cpu_seconds=1.0)
    assert directory.spent(wanted) == 1.0


def test_what_is_of_no_use_goes_and_what_is_counted_stays(
    directory: WorkingDirectory, wanted: Job
) -> None:
    directory.charge(wanted, pid=1, cpu_seconds=1.0)
    (directory.path / "reopened").mkdir()
    directory.checkpoint.touch()
    directory.finish(result_for(wanted))
    directory.clear()
    assert {path.name for path in directory.path.iterdir()} == {"lock", "attempts.json"}
    assert directory.spent(wanted) == 1.0


def test_a_full_disk_costs_the_count_and_not_the_job(disk: Disk, job: JobMaker) -> None:
    wanted = job(100, output=disk.path / "work")
    directory = WorkingDirectory(wanted.output)
    with directory.hold(wanted, pid=os.getpid()):
        directory.charge(wanted, pid=os.getpid(), cpu_seconds=1.0)
        disk.fill()
        directory.charge(wanted, pid=os.getpid(), cpu_seconds=2.0)
        disk.empty()
    assert directory.spent(wanted) == 1.0


def owned(job: Job, epoch: int, name: str = "weights") -> Job:
    """As an owner asks for it where the stream may have others."""
    path = job.output.with_name(f"{name}-{epoch}")
    return job.model_copy(update={"epoch": epoch, "output": path})


def stood(job: Job, *, at: bytes, pid: int = 1) -> WorkingDirectory:
    """A worker has been at work there, and was cut off."""
    made = WorkingDirectory(job.output)
    with made.hold(job, pid=pid):
        (made.path / "fine-tuned").mkdir(exist_ok=True)
        (made.path / "fine-tuned" / "model.onnx").write_bytes(at)
        made.checkpoint.write_bytes(at)
        made.finish(result_for(job))
        made.charge(job, pid=pid, cpu_seconds=2.0)
    return made


def test_a_later_owner_goes_on_in_a_directory_of_its_own_from_where_the_latest_stood(
    wanted: Job,
) -> None:
    stood(owned(wanted, 2), at=b"two")
    latest = stood(owned(wanted, 5), at=b"five")
    stood(owned(wanted, 6, "weights-reopen"), at=b"another rung")
    WorkingDirectory(owned(wanted, 6).output).path.mkdir()
    job = owned(wanted, 7)
    made = WorkingDirectory(job.output)
    with made.hold(job, pid=3):
        made.take_over(job)
    assert made.checkpoint.read_bytes() == b"five"
    assert (made.path / "fine-tuned" / "model.onnx").read_bytes() == b"five"
    # Of a result it asks itself; what it took to come so far counts.
    assert made.result(job) is None
    assert made.spent(job) == 2.0
    assert latest.result(owned(wanted, 5)) is not None
    # The earlier owner, who knows of nothing, goes on and does no harm; nor is it asked again.
    stood(owned(wanted, 5), at=b"more", pid=2)
    made.checkpoint.write_bytes(b"seven")
    with made.hold(job, pid=4):
        made.take_over(job)
    assert made.checkpoint.read_bytes() == b"seven"
    assert (made.path / "fine-tuned" / "model.onnx").read_bytes() == b"five"
    assert made.spent(job) == 2.0


def test_nothing_is_taken_over_of_later_owners_nor_by_who_is_alone(wanted: Job) -> None:
    stood(owned(wanted, 9), at=b"nine")
    stood(owned(wanted, 3), at=b"three").checkpoint.unlink()
    alone = wanted.model_copy(update={"output": wanted.output.with_name("weights")})
    for job in (owned(wanted, 7), alone):
        made = WorkingDirectory(job.output)
        with made.hold(job, pid=3):
            made.take_over(job)
        assert {path.name for path in made.path.iterdir()} == {"lock", "attempts.json"}


def test_what_is_swept_while_it_is_copied_is_begun_anew(
    wanted: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = stood(owned(wanted, 2), at=b"two")

    def swept(source: Path, target: Path, **_: object) -> None:
        shutil.rmtree(earlier.path)
        raise FileNotFoundError(source, target)

    monkeypatch.setattr(shutil, "copytree", swept)
    job = owned(wanted, 7)
    made = WorkingDirectory(job.output)
    with made.hold(job, pid=3):
        made.take_over(job)
        assert {path.name for path in made.path.iterdir()} == {"lock", "attempts.json"}
