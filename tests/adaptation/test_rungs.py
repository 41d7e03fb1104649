import numpy as np
import pytest

from adaptd.adaptation.job import (
    FINE_TUNED,
    INITIAL,
    NEIGHBOUR,
    REOPENED,
    RETRAINED,
    SHRUNK,
    Progress,
)
from adaptd.adaptation.rungs import perform, record_shortage
from adaptd.architecture import Architecture, Contract, diff
from adaptd.clock import FakeClock
from adaptd.observer.predictor import Predictor
from adaptd.registry import artifact
from tests.adaptation.conftest import JobMaker, records


def ignore(_progress: Progress) -> None:
    """Nobody looks."""


def test_the_first_model_has_the_wanted_operation_on_every_edge(job: JobMaker) -> None:
    wanted = job()
    member = perform(wanted, ignore).members[INITIAL]
    operations = Architecture.from_document(member.architecture).operations
    assert len(operations) == 6
    assert set(operations.values()) == {"dw k3 d1"}
    probabilities = Predictor.load(wanted.output / member.directory).predict(records(8).x)
    assert probabilities.shape == (8, 4)


def test_progress_reaches_the_last_step(job: JobMaker) -> None:
    seen: list[Progress] = []
    perform(job(steps=25), seen.append)
    training = [progress for progress in seen if progress.phase == INITIAL]
    assert training[-1].step == training[-1].steps == 25
    assert training[-1].loss is not None


@pytest.mark.slow
def test_every_remedy_gets_the_same_steps_and_stays_under_the_cap(job: JobMaker) -> None:
    first = perform(job(), ignore).members[INITIAL]
    deployed = Architecture.from_document(first.architecture)
    champion = job().output / first.directory
    digest = artifact.seal(
        champion,
        stream="sensors",
        contract=Contract.from_document(job().contract),
        architecture=deployed,
        parent=None,
        episode=None,
        evidence={},
        now=FakeClock().now(),
    )
    wanted = job(
        kind="adapt",
        champion=champion,
        champion_digest=digest,
        drift_at=0,
        architecture=first.architecture,
        macs_cap=int(first.macs * 1.1),
        output=champion.parent.parent / "adapted",
    )
    result = perform(wanted, ignore)
    assert list(result.members) == [FINE_TUNED, RETRAINED, SHRUNK, NEIGHBOUR, REOPENED]
    assert {member.steps for member in result.members.values()} == {20}
    assert all(member.macs <= first.macs * 1.1 for member in result.members.values())
    found = {
        name: Architecture.from_document(member.architecture)
        for name, member in result.members.items()
    }
    assert found[FINE_TUNED] == found[RETRAINED] == found[SHRUNK] == deployed
    assert len(diff(deployed, found[NEIGHBOUR])) == 1
    assert result.supernet_memory_ratio is not None
    assert result.supernet_memory_ratio <= 1.05
    assert all(np.isclose(sum(group.values()), 1, atol=1e-4) for group in result.alphas.values())
    assert result.concentrations


def test_too_few_records_are_refused_with_their_count(job: JobMaker) -> None:
    result = perform(job(399, kind="adapt", minimum_records=400), ignore)
    assert result.members == {}
    assert result.refused is not None
    assert "399" in result.refused
    assert "400" in result.refused


@pytest.mark.parametrize(
    ("records", "classes", "minimum", "is_short"),
    [(400, 10, 400, False), (399, 10, 400, True), (439, 11, 400, True), (440, 11, 400, False)],
)
def test_the_minimum_is_the_larger_of_the_total_and_forty_a_class(
    records: int, classes: int, minimum: int, is_short: bool
) -> None:
    assert (record_shortage(records, classes, minimum) is not None) == is_short
