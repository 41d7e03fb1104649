"""A job is tried again where its worker dies, and its result kept until it is taken."""

import pytest

from adaptd.adaptation.job import FINE_TUNED, Job, Result
from adaptd.daemon.workshop import ATTEMPTS, Failure, Workshop
from adaptd.errors import JobError, WorkerFailed
from tests.daemon.conftest import STREAM, LoopMaker, Running


@pytest.fixture
def running(loop: LoopMaker) -> Running:
    made = loop()
    made.until(lambda: len(made.executor.jobs) == 1)
    made.executor.is_running = False
    return made


def adapt(running: Running) -> Job:
    first = running.executor.jobs[0]
    return first.model_copy(update={"kind": "adapt", "rungs": ("weights",)})


def test_a_result_is_there_until_it_is_taken(running: Running) -> None:
    workshop, job = Workshop(running.context), adapt(running)
    assert workshop.is_idle
    workshop.start(job)
    assert not workshop.is_idle
    found = workshop.poll("E1")
    assert isinstance(found, Result)
    assert FINE_TUNED in found.members
    assert workshop.poll("E1") is found
    assert not workshop.is_idle
    workshop.clear()
    assert workshop.is_idle


def test_a_worker_that_dies_once_is_tried_again_and_twice_is_a_failure(running: Running) -> None:
    workshop, job = Workshop(running.context), adapt(running)
    running.executor.errors = [WorkerFailed("killed"), WorkerFailed("killed again")]
    workshop.start(job)
    assert workshop.poll("E1") is None
    assert workshop.is_idle
    workshop.start(job)
    assert workshop.poll("E1") == Failure("failed", "killed again")


def test_what_cannot_be_done_and_what_is_refused_are_told_apart(running: Running) -> None:
    workshop, job = Workshop(running.context), adapt(running)
    running.executor.errors = [JobError("no such network")]
    workshop.start(job)
    assert workshop.poll("E1") == Failure("failed", "no such network")
    workshop.clear()
    running.executor.refused = "too few records"
    workshop.start(job)
    assert workshop.poll("E1") == Failure("refused", "too few records", cpu_seconds=0.0)


def died(*, got_further: bool, cause: str = "crash") -> WorkerFailed:
    return WorkerFailed("killed", cause=cause, has_progressed=got_further, cpu_seconds=3.0)


def attempts(running: Running, errors: list[WorkerFailed]) -> int:
    """How many are made before the workshop gives up."""
    workshop, job = Workshop(running.context), adapt(running)
    running.executor.errors = [*errors]
    for attempt in range(1, 100):
        workshop.start(job)
        answer = workshop.poll("E1")
        if isinstance(answer, Failure):
            assert answer == Failure("failed", "killed", cpu_seconds=3.0)
            return attempt
        assert answer is None
    raise AssertionError("it never gives up")


def test_an_attempt_that_got_further_does_not_count_but_there_is_an_end(running: Running) -> None:
    further, nowhere = died(got_further=True), died(got_further=False)
    assert attempts(running, [nowhere, nowhere]) == 2
    assert attempts(running, [nowhere, further, nowhere, nowhere]) == 4
    assert attempts(running, [further] * 99) == ATTEMPTS


def test_what_has_had_its_time_is_not_tried_again(running: Running) -> None:
    assert attempts(running, [died(got_further=True, cause="wall")]) == 1


def test_a_result_that_an_earlier_owner_asked_for_is_not_taken(running: Running) -> None:
    workshop, job = Workshop(running.context), adapt(running)
    workshop.start(job.model_copy(update={"epoch": job.epoch - 1}))
    assert workshop.poll("E1") is None
    assert workshop.is_idle
    workshop.start(job.model_copy(update={"output": job.output.with_name("again")}))
    assert isinstance(workshop.poll("E1"), Result)


def test_nobody_works_on_for_an_episode_that_is_over(running: Running) -> None:
    workshop, job = Workshop(running.context), adapt(running)
    workshop.start(job)
    assert running.executor.is_running
    workshop.clear()
    assert not running.executor.is_running
    assert workshop.is_idle


def test_failures_of_workers_are_counted_by_their_cause(running: Running) -> None:
    def failures(cause: str) -> float | None:
        return running.context.metrics.registry.get_sample_value(
            "adaptd_worker_failures_total", {"stream": STREAM, "cause": cause}
        )

    assert failures("memory") == 0
    attempts(running, [died(got_further=False, cause="memory")] * 2)
    assert failures("memory") == 2
