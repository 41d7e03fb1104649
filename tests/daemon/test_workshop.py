"""A job is tried again where its worker dies, and its result kept until it is taken."""

import pytest

from adaptd.adaptation.job import FINE_TUNED, Job, Result
from adaptd.daemon.workshop import Failure, Workshop
from adaptd.errors import JobError, WorkerFailed
from tests.daemon.conftest import LoopMaker, Running


@pytest.fixture
def running(loop: LoopMaker) -> Running:
    made = loop()
    made.until(lambda: len(made.executor.jobs) == 1)
    made.executor.stop()
    return made


def adapt(running: Running) -> Job:
    (first,) = running.executor.jobs
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
    assert workshop.poll("E1") == Failure("refused", "too few records")
