"""What a loop keeps of concepts that a drift has ended."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from adaptd.adaptation.trigger import Trigger
from adaptd.config.episode import EpisodeConfig
from adaptd.daemon.reservoir import Reservoir
from adaptd.errors import StaleEpochError
from adaptd.registry import episodes, old_concepts, releases, scores
from adaptd.registry.old_concepts import OldConcept
from adaptd.registry.releases import Release
from adaptd.store import epochs
from adaptd.store.backup import back_up
from adaptd.stream.batch import Batch
from adaptd.stream.positions import Positions
from adaptd.stream.reservoir import to_judge
from adaptd.stream.segment import read_segment
from tests.daemon.conftest import DRIFT_AT, LoopMaker, MemorySource, Running

# What is tried here is what is taken, not what alarms: these loops raise none.
ALARM: dict[str, Any] = {"block_records": 16, "signals": [], "per_day": 1e-9}
# Neither do these, but for a broken sensor.
WATCHED = {**ALARM, "block_records": 8, "reference_blocks": 120, "signals": ["outages"]}


def trigger(
    running: Running, *, since: int, kind: Literal["drift", "schedule", "manual"] = "drift"
) -> Trigger:
    return Trigger(kind=kind, stream=running.context.stream, record=since, since_record=since)


def stranger(running: Running, *, number: int, end: int) -> OldConcept:
    """Of another model; nobody reads its file."""
    return OldConcept(
        stream=running.context.stream,
        weights=f"{number}" * 64,
        release=number,
        first_record=0,
        end_record=end,
        offered=5,
        accuracy=1.0,
        records=5,
        digest=f"{number}" * 64,
        path=f"reservoir/s/{number}.arrow",
        at=running.clock.now(),
    )


def kept(running: Running) -> list[OldConcept]:
    with running.context.database.read() as connection:
        return old_concepts.listing(connection, running.context.stream)


def files(running: Running) -> set[Path]:
    directory = running.context.state.reservoir(running.context.stream)
    return set(directory.iterdir()) if directory.is_dir() else set()


def sample(running: Running, concept: OldConcept) -> Batch:
    return read_segment(running.context.absolute(concept.path), concept.digest)


def numbers(batch: Batch) -> list[int]:
    return numbers_at(batch.positions)


def numbers_at(positions: Positions) -> list[int]:
    return [int(number) for number in positions[:, 1]]


def champion(running: Running) -> Release:
    with running.context.database.read() as connection:
        found = releases.current(connection, running.context.stream)
    assert found is not None
    return found


def reservoir_at(running: Running, record: int) -> Reservoir:
    """One beside the loop's own, once so many records are in the store with their scores."""
    window = running.loop._memory.window
    running.until(lambda: window.next_record > record)
    running.loop.checkpoint()
    return Reservoir(running.context, window, running.loop._outages)


def is_released(running: Running, number: int) -> bool:
    with running.context.database.read() as connection:
        found = releases.current(connection, running.context.stream)
    return found is not None and found.number >= number


def test_a_drift_leaves_a_sample_of_what_the_champion_had_answered_well(loop: LoopMaker) -> None:
    running = loop(episode={"records": 200, "minimum_records": 100, "reservoir": {"records": 100}})
    running.until(lambda: bool(kept(running)))
    (concept,) = kept(running)
    assert (concept.release, concept.records, concept.accuracy) == (1, 100, 1.0)
    # Release 1 has been seen from record 200 on, and the drift is dated to a block's beginning.
    assert 200 <= concept.first_record < 232
    assert DRIFT_AT - 64 < concept.end_record <= DRIFT_AT
    drawn = numbers(sample(running, concept))
    assert len(set(drawn)) == 100
    assert concept.first_record <= min(drawn) <= max(drawn) < concept.end_record
    assert files(running) == {running.context.absolute(concept.path)}


def test_it_is_there_once_wherever_the_process_was_killed(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: bool(kept(running)))
    (before,) = kept(running)
    # The transaction of the sample has committed, the checkpoint after it has not.
    again = running.again()
    again.until(lambda: is_released(again, 2))
    assert kept(again) == [before]


def test_the_same_stream_gives_the_same_sample(loop: LoopMaker, tmp_path: Path) -> None:
    running = loop()
    running.until(lambda: bool(kept(running)))
    (concept,) = kept(running)
    running.context.absolute(concept.path).unlink()
    with running.context.database.write() as connection:
        old_concepts.drop(connection, concept)
    again = running.again()
    again.until(lambda: bool(kept(again)))
    assert kept(again)[0].digest == concept.digest
    assert tmp_path in files(again).pop().parents


def test_files_that_no_row_names_are_swept_at_the_next_start(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: bool(kept(running)))
    orphan = running.context.state.reservoir(running.context.stream) / "orphan.arrow"
    orphan.write_bytes(b"of a kill before the commit")
    again = running.again()
    assert files(again) == {again.context.absolute(one.path) for one in kept(again)}


def test_a_backup_holds_it(loop: LoopMaker, tmp_path: Path) -> None:
    running = loop()
    running.until(lambda: bool(kept(running)))
    (concept,) = kept(running)
    copy = back_up(running.context.state, tmp_path / "backup", now=running.clock.now())
    assert concept.path in copy.files
    assert numbers(read_segment(copy.path / concept.path, concept.digest)) == numbers(
        sample(running, concept)
    )


def test_a_schedule_ends_no_concept(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=20_000), alarm=ALARM)
    reservoir = reservoir_at(running, 600)
    reservoir.take(trigger(running, kind="schedule", since=500), champion(running))
    assert kept(running) == []


def test_no_concept_is_kept_where_none_is_wanted(loop: LoopMaker) -> None:
    reservoir = {"concepts": 0}
    running = loop(episode={"records": 200, "minimum_records": 100, "reservoir": reservoir})
    running.until(lambda: is_released(running, 2))
    assert kept(running) == []
    assert not files(running)


def test_what_a_broken_sensor_gave_does_not_enter(loop: LoopMaker) -> None:
    # The channel that is stuck says nothing of the class, so that answers stay right: only the
    # values themselves tell.
    running = loop(MemorySource(drift_at=0, stuck=(400, 96)), alarm=ALARM)
    running.executor.follows = {**running.executor.follows, "initial": 1}
    reservoir_at(running, 700).take(trigger(running, since=680), champion(running))
    (concept,) = kept(running)
    drawn = np.array(numbers(sample(running, concept)))
    assert concept.accuracy == 1.0
    assert ((drawn < 400) | (drawn >= 496)).all()
    assert (drawn < 400).any()
    assert (drawn >= 496).any()


def test_an_outage_that_is_known_does_not_enter_however_long_it_was(loop: LoopMaker) -> None:
    # 1,000 of 1,200 records, so that among them a stuck channel is what is usual.
    running = loop(
        MemorySource(drift_at=0, stuck=(300, 1_000)),
        alarm=WATCHED,
    )
    running.executor.follows = {**running.executor.follows, "initial": 1}
    reservoir = reservoir_at(running, 1_500)
    called = trigger(running, since=1_420)
    reservoir.take(replace(called, record=1_440), champion(running))
    (concept,) = kept(running)
    drawn = np.array(numbers(sample(running, concept)))
    assert ((drawn < 300) | (drawn >= 1_300)).all()
    assert (drawn < 300).any()
    assert (drawn >= 1_300).any()


def test_what_is_not_known_yet_does_not_enter(loop: LoopMaker) -> None:
    running = loop(
        MemorySource(drift_at=20_000),
        alarm=WATCHED,
    )
    reservoir_at(running, 600).take(trigger(running, since=500), champion(running))
    (concept,) = kept(running)
    # Of which two blocks had come when the drift was called.
    assert concept.end_record <= 501 - 2 * 8


def test_a_block_that_is_marked_as_broken_does_not_enter(loop: LoopMaker) -> None:
    running = loop(
        MemorySource(drift_at=20_000),
        alarm=WATCHED,
    )
    reservoir = reservoir_at(running, 600)
    with running.context.database.write() as connection:
        scores.mark_broken(connection, running.context.stream, first=200, end=400)
    reservoir.take(trigger(running, since=520), champion(running))
    (concept,) = kept(running)
    assert concept.first_record >= 400


def test_a_stretch_that_is_answered_worse_does_not_enter(loop: LoopMaker) -> None:
    # One record in five is another class from 500 on.
    running = loop(MemorySource(drift_at=20_000, blurred_from=500), alarm=ALARM)
    reservoir = reservoir_at(running, 900)
    reservoir.take(trigger(running, since=512), champion(running))
    (before,) = kept(running)
    reservoir.take(trigger(running, since=880), champion(running))
    assert kept(running) == [before]


def test_a_later_stretch_of_the_same_model_adds_to_its_sample(loop: LoopMaker) -> None:
    running = loop(
        MemorySource(drift_at=20_000),
        alarm=ALARM,
        episode={"records": 200, "minimum_records": 100, "reservoir": {"records": 100}},
    )
    reservoir = reservoir_at(running, 900)
    reservoir.take(trigger(running, since=500), champion(running))
    (before,) = kept(running)
    reservoir.take(trigger(running, since=500), champion(running))
    assert kept(running) == [before]
    reservoir.take(trigger(running, since=900), champion(running))
    (after,) = kept(running)
    assert (after.first_record, after.records) == (before.first_record, 100)
    assert after.offered > before.offered + 300
    drawn = numbers(sample(running, after))
    assert min(drawn) < 500 < max(drawn)
    # The file of the sample before stays until there is one more: a disk may lose a commit.
    assert len(files(running)) == 2


def test_the_oldest_concept_makes_room(loop: LoopMaker) -> None:
    running = loop(
        MemorySource(drift_at=20_000),
        alarm=ALARM,
        episode={"records": 200, "minimum_records": 100, "reservoir": {"concepts": 2}},
    )
    reservoir = reservoir_at(running, 500)
    with running.context.database.write() as connection:
        for number, end in ((7, 5), (8, 9)):
            old_concepts.keep(connection, stranger(running, number=number, end=end))
    reservoir.take(trigger(running, since=500), champion(running))
    assert [one.release for one in kept(running)] == [8, 1]


def test_concepts_that_are_no_longer_wanted_are_not_asked_for(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=20_000), alarm=ALARM)
    reservoir = reservoir_at(running, 500)
    with running.context.database.write() as connection:
        old_concepts.keep(connection, stranger(running, number=7, end=5))
    reservoir.take(trigger(running, since=500), champion(running))
    assert [concept.release for concept, _ in reservoir.samples()] == [7, 1]
    for concepts, expected in ((1, [1]), (0, [])):
        wanted = {"records": 200, "minimum_records": 100, "reservoir": {"concepts": concepts}}
        config = running.context.config.model_copy(
            update={"episode": EpisodeConfig.model_validate(wanted)}
        )
        other = Reservoir(
            replace(running.context, config=config),
            running.loop._memory.window,
            running.loop._outages,
        )
        assert [concept.release for concept, _ in other.samples()] == expected


def test_a_damaged_sample_is_begun_anew(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=20_000), alarm=ALARM)
    reservoir = reservoir_at(running, 900)
    reservoir.take(trigger(running, since=500), champion(running))
    (before,) = kept(running)
    running.context.absolute(before.path).write_bytes(b"no segment")
    assert [one for _, one in reservoir.samples()] == [None]
    reservoir.take(trigger(running, since=900), champion(running))
    (after,) = kept(running)
    assert after.first_record >= before.end_record
    assert min(numbers(sample(running, after))) >= before.end_record


def test_who_no_longer_owns_the_stream_keeps_nothing(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=20_000), alarm=ALARM)
    reservoir = reservoir_at(running, 500)
    with running.context.database.write() as connection:
        now = running.clock.now()
        epochs.acquire(connection, stream=running.context.stream, owner="another", now=now)
    with pytest.raises(StaleEpochError):
        reservoir.take(trigger(running, since=500), champion(running))
    assert kept(running) == []
    assert not files(running)


@pytest.mark.parametrize("is_killed", [False, True])
def test_no_training_reads_what_forgetting_is_measured_on(loop: LoopMaker, is_killed: bool) -> None:
    episode = {"records": 600, "minimum_records": 100, "reservoir": {"records": 100}}
    running = loop(MemorySource(drift_at=20_000), alarm=ALARM, episode=episode)
    reservoir_at(running, 900)
    reservoir = running.loop._conductor._reservoir
    assert not len(reservoir.held_back())
    reservoir.take(trigger(running, since=500), champion(running))
    (concept,) = kept(running)
    held_back = numbers(to_judge(sample(running, concept)))
    assert numbers_at(reservoir.held_back()) == held_back
    if is_killed:
        running = running.again()
    running.context.queue.put(trigger(running, since=900, kind="manual"))
    running.until(lambda: any(job.kind == "adapt" for job in running.executor.jobs))
    job = running.executor.jobs[-1]
    learnt = numbers(read_segment(job.records, job.records_digest))
    assert len(learnt) == 600
    assert not set(learnt) & set(held_back)
    assert set(learnt) & set(numbers(sample(running, concept)))
    with running.context.database.read() as connection:
        (told,) = episodes.history(connection, running.context.stream)
    passed_over = [one for one in held_back if one >= learnt[0]]
    assert told.plan["held_back"] == len(passed_over) > 0
