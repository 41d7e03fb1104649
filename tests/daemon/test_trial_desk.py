from pathlib import Path

import numpy as np
import pytest

from adaptd.adaptation.counted import Counted
from adaptd.adaptation.job import FINE_TUNED, RETRAINED, Member, Result
from adaptd.clock import FakeClock
from adaptd.daemon.context import StreamContext
from adaptd.daemon.trial_desk import TrialDesk
from adaptd.observer.answers import Answers
from adaptd.registry import episodes, trials
from adaptd.registry.trials import TrialRow
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from tests.daemon.conftest import AFTER, BEFORE
from tests.daemon.test_memory import batch, context_of

EPISODE = "E"
CHAMPION = "c" * 64


@pytest.fixture
def context(tmp_path: Path, database: Database, clock: FakeClock) -> StreamContext:
    found = context_of(StateDirectory.open(tmp_path / "state"), database, clock)
    with database.write() as connection:
        episodes.open_(connection, id=EPISODE, stream="s", trigger={}, now=clock.now())
    return found


def begun(context: StreamContext) -> TrialDesk:
    members = {
        name: Member(
            architecture=architecture.to_document(),
            macs=1,
            parameters=1,
            steps=1,
            seconds=1.0,
            directory=name,
            weights=name[0] * 64,
        )
        for name, architecture in ((FINE_TUNED, BEFORE), (RETRAINED, AFTER))
    }
    desk = TrialDesk(context)
    desk.begin(
        EPISODE,
        Result(members=members, made_by={"torch": "2.13.0"}),
        kind="weights",
        first_record=100,
        alpha=0.05,
        minimum_records=40,
    )
    return desk


def count(desk: TrialDesk, first: int, records: int, *, are_members_there: bool = True) -> None:
    """The retrained network is always right, all others never are."""
    right = np.ones(records, np.bool_)
    desk.count(
        Answers(first, batch(first, records).positions, {CHAMPION: ~right}),
        champion=CHAMPION,
        members={FINE_TUNED: ~right, RETRAINED: right} if are_members_there else None,
    )


def row(context: StreamContext) -> TrialRow:
    context.ledger.commit(context.database)
    with context.database.read() as connection:
        (found,) = trials.of_episode(connection, EPISODE)
    return found


def test_a_trial_that_begins_says_on_what_terms_and_between_whom(context: StreamContext) -> None:
    begun(context)
    found = row(context)
    assert found.terms["names"] == ["deployed", FINE_TUNED, RETRAINED]
    assert (found.terms["alpha"], found.terms["minimum_records"]) == (0.05, 40)
    assert found.terms["are_answers_recorded"] is False
    assert found.members[RETRAINED] == {"architecture": AFTER.digest, "weights": "r" * 64}
    assert found.made_by["training"] == {"torch": "2.13.0"}
    assert found.made_by["trial"]["onnxruntime"]
    assert (found.first_record, found.end_record, found.evidence) == (100, None, None)


def test_only_what_counted_is_written_down(context: StreamContext) -> None:
    desk = begun(context)
    count(desk, 100, 10, are_members_there=False)
    count(desk, 110, 20)
    count(desk, 135, 200)
    trial = desk.current
    assert trial is not None
    assert trial.verdict() == "better"
    # Not the rest of the batch in which the verdict fell, nor what comes later.
    count(desk, 335, 50)
    desk.end()
    assert desk.current is None
    found = row(context)
    assert found.counted is not None
    assert found.evidence is not None
    counted = Counted.restore(found.counted)
    assert counted.ranges == [(110, 130), (135, 135 + trial.records - 20)]
    assert trial.records < 220
    assert found.end_record == counted.ranges[-1][1]
    assert not counted.deployed_hits.any()
    assert (found.evidence["winner"], found.evidence["records"]) == (RETRAINED, trial.records)


def test_a_restart_goes_on_counting(context: StreamContext) -> None:
    desk = begun(context)
    count(desk, 100, 20)
    again = TrialDesk(context)
    again.restore(EPISODE, desk.state())
    count(again, 120, 10)
    again.end()
    found = row(context)
    assert found.counted is not None
    assert Counted.restore(found.counted).ranges == [(100, 130)]


def test_the_trial_of_a_version_that_kept_nothing_goes_on_without(context: StreamContext) -> None:
    desk = begun(context)
    context.ledger.commit(context.database)
    with context.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM trials")
    again = TrialDesk(context)
    again.restore(EPISODE, {"trial": desk.state()["trial"]})
    count(again, 100, 200)
    assert again.current is not None
    assert again.current.verdict() == "better"
    again.end()
    context.ledger.commit(context.database)
    with context.database.read() as connection:
        assert trials.of_episode(connection, EPISODE) == []


def test_without_a_trial_there_is_nothing_to_count_or_end(context: StreamContext) -> None:
    desk = TrialDesk(context)
    count(desk, 0, 10)
    desk.end()
    assert desk.state() == {"trial": None}
    context.ledger.commit(context.database)
