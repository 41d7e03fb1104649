"""Alarms that no label stands behind, in one stream's loop."""

from pathlib import Path
from typing import Any

import pytest

from adaptd.adaptation.job import FINE_TUNED
from adaptd.clock import FakeClock
from adaptd.registry import alarms
from adaptd.registry.alarms import AlarmRow
from adaptd.store import checkpoints
from tests.daemon.conftest import FOLLOWS, STREAM, LoopMaker, MemorySource, Running, loops
from tests.daemon.readings import told

NEVER = 10**6
CHANGE = 1_900
LATE = 300
# Signals have learnt after 120 blocks of 8; four blocks of labels are enough to look at.
WATCHED: dict[str, Any] = {
    "alarm": {
        "block_records": 8,
        "reference_blocks": 120,
        "stride_blocks": 2,
        "settle_blocks": 4,
    },
    "labels": {"delay_records": LATE},
}


def raised(running: Running) -> list[AlarmRow]:
    with running.context.database.read() as connection:
        return alarms.listing(connection, STREAM)


def metric(running: Running, name: str, **labels: str) -> float | None:
    return running.context.metrics.registry.get_sample_value(name, {"stream": STREAM, **labels})


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_broken_sensor_is_told_and_holds_before_any_label_has_come(
    loop: LoopMaker, is_killed: bool
) -> None:
    running = loop(MemorySource(drift_at=NEVER, stuck=(CHANGE, 400)), **WATCHED)
    running.until(lambda: bool(told(running)))
    assert CHANGE < running.source.next < CHANGE + LATE
    if is_killed:
        running = running.again()
    (episode,) = told(running)
    assert (episode.outcome, episode.state) == ("held", "closed")
    assert "left constant" in str(episode.reason)
    (alarm,) = raised(running)
    assert (alarm.signal, alarm.numbering) == ("input-faults", "arrived")
    assert abs(alarm.since_record - CHANGE) <= 32
    # What an episode counts has not come so far.
    assert episode.trigger["record"] == episode.trigger["since_record"]
    assert CHANGE - LATE - 48 <= episode.trigger["record"] <= running.source.next - LATE
    running.step()
    assert metric(running, "adaptd_sensor_broken") == 1
    # Labels of the broken records come, and the errors that they show begin nothing.
    running.until(lambda: metric(running, "adaptd_sensor_broken") == 0)
    running.until(lambda: running.source.next > CHANGE + 400 + LATE + 600)
    assert [one.outcome for one in told(running)] == ["held"]
    assert {alarm.signal for alarm in raised(running)} == {"input-faults"}
    assert all(job.kind == "initial" for job in running.executor.jobs)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_sensor_that_breaks_while_other_inputs_wait_for_labels_holds_as_well(
    loop: LoopMaker, is_killed: bool
) -> None:
    broken_at = CHANGE + 150
    running = loop(
        MemorySource(drift_at=NEVER, scaled_from=CHANGE, stuck=(broken_at, 400)), **WATCHED
    )
    running.until(lambda: bool(raised(running)))
    assert running.source.next < broken_at
    assert "input-faults" not in {alarm.signal for alarm in raised(running)}
    if is_killed:
        running = running.again()
    running.until(lambda: bool(told(running)))
    assert broken_at < running.source.next < broken_at + 100
    assert told(running)[0].outcome == "held"
    assert "left constant" in str(told(running)[0].reason)
    # Labels of the change come while the sensor is broken: what is broken becomes no reference.
    running.until(lambda: running.source.next > broken_at + 390)
    assert metric(running, "adaptd_sensor_broken") == 1
    assert metric(running, "adaptd_signals_watching") == 1
    running.until(lambda: metric(running, "adaptd_sensor_broken") == 0)


@pytest.mark.parametrize("is_killed", [False, True])
def test_other_inputs_begin_an_episode_once_labels_show_that_they_do_harm(
    loop: LoopMaker, is_killed: bool
) -> None:
    running = loop(MemorySource(drift_at=CHANGE, scaled_from=CHANGE), **WATCHED)
    running.executor.follows = {**FOLLOWS, FINE_TUNED: 1}
    running.until(lambda: bool(raised(running)))
    assert running.source.next < CHANGE + LATE
    assert {alarm.signal.partition("-")[0] for alarm in raised(running)} <= {"input", "output"}
    assert metric(running, "adaptd_signal_evidence", signal="input-moments") is not None
    for _ in range(2):
        running.step()
    assert told(running) == []
    if is_killed:
        running = running.again()
        running.executor.follows = {**FOLLOWS, FINE_TUNED: 1}
    running.until(lambda: bool(told(running)))
    (episode,) = told(running)
    assert episode.trigger["detail"] in {alarm.signal for alarm in raised(running)}
    # Numbers of labelled records, which are those of the records here: none was lost.
    assert abs(episode.trigger["since_record"] - CHANGE) <= 32
    running.until(lambda: told(running)[0].outcome is not None)
    assert told(running)[0].outcome == "released"


def test_other_inputs_that_do_no_harm_are_told_and_become_what_is_ordinary(
    loop: LoopMaker,
) -> None:
    running = loop(MemorySource(drift_at=NEVER, scaled_from=CHANGE), **WATCHED)
    running.until(lambda: bool(raised(running)))
    count = len(raised(running))
    for alarm in raised(running):
        evidence = metric(running, "adaptd_signal_evidence", signal=alarm.signal)
        assert evidence is not None
        assert evidence >= 1
    running.until(lambda: metric(running, "adaptd_signals_watching") == 0)
    assert running.source.next >= CHANGE + LATE
    for alarm in raised(running):
        assert metric(running, "adaptd_signal_evidence", signal=alarm.signal) == 0
    running.until(lambda: metric(running, "adaptd_signals_watching") == 1)
    running.until(lambda: running.source.next > 4_000)
    assert told(running) == []
    assert len(raised(running)) == count
    rate = metric(running, "adaptd_signal_alarms_per_day")
    assert rate is not None
    assert rate > 0


def at_the_end(running: Running) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """Its alarms, its episodes and its checkpoint, once all has been read."""
    running.until(lambda: running.source.next == running.source.ends_at)
    running.step()
    running.loop.checkpoint()
    with running.context.database.read() as connection:
        kept = checkpoints.load(connection, STREAM)
    assert kept is not None
    assert metric(running, "adaptd_sensor_broken") == 0
    assert metric(running, "adaptd_signals_watching") == 1
    return (
        [(one.signal, one.record, one.since_record, one.numbering) for one in raised(running)],
        [(one.outcome, one.reason, one.trigger) for one in told(running)],
        kept.document,
    )


@pytest.mark.parametrize(
    ("labels", "polls"),
    [
        (None, (256, 37, 32)),
        # Of whole blocks: the first begins where the labels of release 1 have been read.
        ({"delay_records": LATE}, (256, 40, 32)),
    ],
    ids=["labels", "late labels"],
)
def test_an_outage_within_one_poll_is_held_as_it_is_in_several(
    tmp_path: Path, clock: FakeClock, labels: dict[str, Any] | None, polls: tuple[int, ...]
) -> None:
    seen = []
    for poll_records in polls:
        source = MemorySource(
            drift_at=NEVER, stuck=(1_904, 4 * 8), poll_records=poll_records, ends_at=2_600
        )
        with loops(tmp_path / str(poll_records), clock) as make:
            seen.append(at_the_end(make(source, **{**WATCHED, "labels": labels})))
    expected_alarms, expected_episodes, expected = seen[0]
    assert [alarm[0] for alarm in expected_alarms] == ["input-faults"]
    assert [episode[0] for episode in expected_episodes] == ["held"]
    for found_alarms, found_episodes, document in seen[1:]:
        assert found_alarms == expected_alarms
        if labels is None:
            assert found_episodes == expected_episodes
            assert document["observer"] == expected["observer"]
            assert document["signals"] == expected["signals"]
        else:
            # How many labels have been read by then hangs on the polls.
            assert [one[:2] for one in found_episodes] == [one[:2] for one in expected_episodes]


def test_a_window_that_is_shorter_than_what_signals_learn_from_leaves_the_loss_alone(
    loop: LoopMaker,
) -> None:
    running = loop(MemorySource(scaled_from=600))
    running.until(lambda: bool(told(running)))
    assert {alarm.signal for alarm in raised(running)} == {"loss"}
    assert metric(running, "adaptd_signals_watching") == 0
