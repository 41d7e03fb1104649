"""Release 1: checked, trained or given."""

from pathlib import Path

import pytest

from adaptd.daemon.first_release import usual_operation
from adaptd.errors import ConfigError, JobError, WorkerFailed
from adaptd.registry import manifest, proposals
from adaptd.store.files import sha256_of
from adaptd.stream.segment import read_segment
from tests.daemon.conftest import STREAM, LoopMaker, Running
from tests.daemon.readings import released

NAMED = {"network": "acme.models:detector"}


def kinds(running: Running) -> list[str]:
    return [job.kind for job in running.executor.jobs]


def evidence_of_release_1(running: Running) -> dict[str, object]:
    first = released(running)[-1]
    return dict(manifest.verify(running.context.absolute(first.path))["evidence"])


def test_a_model_that_nobody_has_named_needs_no_check(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: bool(released(running)))
    assert kinds(running) == ["initial"]
    assert evidence_of_release_1(running)["training_records"] == [0, 199]


def test_a_model_that_somebody_has_named_is_checked_before_the_window_is_full(
    loop: LoopMaker,
) -> None:
    running = loop(model={**NAMED, "settings": {"width": 8}})
    running.until(lambda: bool(running.executor.jobs))
    assert running.source.next < 200
    (check,) = running.executor.jobs
    assert len(read_segment(check.records, check.records_digest)) == 32
    running.until(lambda: bool(released(running)))
    _, initial = running.executor.jobs
    assert (check.kind, initial.kind) == ("check", "initial")
    assert check.architecture == initial.architecture
    assert check.architecture["settings"] == {"in_channels": 2, "classes": 2, "width": 8}
    # What its factory puts there, not what adaptd's own networks begin with.
    assert check.operation is None
    # Of a check nothing is kept.
    assert not check.records.exists()
    assert len(read_segment(initial.records, initial.records_digest)) == 200


def test_a_window_that_is_full_at_once_is_not_kept_waiting(loop: LoopMaker) -> None:
    running = loop(model=NAMED)
    running.source.poll_records = 400
    running.until(lambda: bool(released(running)))
    assert kinds(running) == ["initial"]


def test_a_model_that_cannot_be_built_is_told_before_the_window_is_full(loop: LoopMaker) -> None:
    running = loop(model=NAMED)
    running.executor.errors = [JobError("stream sensors: model: cannot build it")]
    with pytest.raises(JobError, match="cannot build it"):
        running.until(lambda: bool(released(running)))
    assert kinds(running) == ["check"]
    assert running.source.next < 200


def test_a_check_whose_worker_was_lost_is_begun_again(loop: LoopMaker) -> None:
    running = loop(model=NAMED)
    running.executor.errors = [WorkerFailed("killed")]
    # Its owner waits a while, and steps again.
    with pytest.raises(WorkerFailed):
        running.until(lambda: bool(released(running)))
    running.until(lambda: bool(released(running)))
    assert kinds(running) == ["check", "check", "initial"]


def test_a_check_that_a_full_window_overtakes_ends_first(loop: LoopMaker) -> None:
    running = loop(model=NAMED)
    running.until(lambda: kinds(running) == ["check"])
    # All the rest comes at once, while the worker still looks.
    running.source.poll_records = 400
    running.until(lambda: bool(released(running)))
    assert kinds(running) == ["check", "initial"]


def test_given_weights_are_named_to_the_worker_and_in_the_release(
    loop: LoopMaker, tmp_path: Path
) -> None:
    weights = tmp_path / "detector.pt"
    weights.write_bytes(b"theirs")
    running = loop(model={**NAMED, "weights": str(weights)})
    running.until(lambda: bool(released(running)))
    for job in running.executor.jobs:
        assert (job.weights, job.weights_digest) == (weights, sha256_of(weights))
    assert evidence_of_release_1(running) == {"given_weights": "detector.pt"}


def test_a_network_that_must_be_named_is_asked_for_before_there_are_records(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of adaptd's own none takes such records.
    monkeypatch.setattr("adaptd.daemon.first_release._OWN", {})
    running = loop()
    with pytest.raises(ConfigError, match=r"network: is needed for records of shape \[2, 1\]"):
        running.until(lambda: bool(released(running)))
    assert running.source.next <= running.source.poll_records


def test_weights_that_are_gone_are_a_fault_of_the_configuration(
    loop: LoopMaker, tmp_path: Path
) -> None:
    running = loop(model={"weights": str(tmp_path / "gone.pt")})
    with pytest.raises(ConfigError, match=rf"stream {STREAM}: model\.weights: .*gone\.pt: No such"):
        running.until(lambda: bool(released(running)))


def test_a_given_release_comes_back_with_its_concept_although_nobody_knows_its_records(
    loop: LoopMaker, tmp_path: Path
) -> None:
    weights = tmp_path / "detector.pt"
    weights.write_bytes(b"theirs")
    running = loop(model={"weights": str(weights)})
    running.until(lambda: len(released(running)) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running.source.drift_at = 10**6
    running.until(lambda: len(released(running)) == 3)
    with running.context.database.read() as connection:
        evidence = proposals.listing(connection, STREAM)[0].evidence
    assert evidence["challenger"] == "release-1"
    assert evidence["training_records"] is None
    assert evidence["given_weights"] == "detector.pt"
    # And once more from there: it is as good a release as any.
    assert evidence_of_release_1(running) == {"given_weights": "detector.pt"}
    third = manifest.verify(running.context.absolute(released(running)[0].path))["evidence"]
    assert third["given_weights"] == "detector.pt"


@pytest.mark.parametrize(
    ("network", "shape", "operation"),
    [
        ("adaptd.space.sequence:convnet", (1, 64), "dw k5 d1"),
        ("adaptd.space.image:convnet", (1, 16, 16), "dw k5 d1"),
        ("adaptd.space.tabular:network", (6,), "linear"),
        ("adaptd.space.cells:darts", (1, 16, 16), None),
        ("acme.models:detector", (1, 64), None),
        ("acme.models:detector", (1, 8, 8, 8), None),
    ],
)
def test_only_adaptds_own_networks_begin_with_its_own_operation(
    network: str, shape: tuple[int, ...], operation: str | None
) -> None:
    assert usual_operation(network, shape) == operation
