import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.config import AlarmConfig
from adaptd.drift.alarm import Alarm
from adaptd.observer.observer import Observation, Observer
from adaptd.observer.score import score
from adaptd.registry.scores import BlockScore
from adaptd.stream.batch import Batch, id_column

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTRACT = Contract(features=("a",), shape=(1, 4), classes=("x", "y", "z", "w"))
FIRST = 2_000
DRIFT = FIRST + 700
RECORDS = 1_100


def observer(block_records: int = 32) -> Observer:
    made = Observer(
        stream="pump",
        contract=CONTRACT,
        alarm=AlarmConfig(block_records=block_records, delta=0.002, warm_up_blocks=10),
    )
    made.reset("d1")
    return made


def stream() -> tuple[Batch, NDArray[np.float32]]:
    """A model that is right on 19 of 20 records, and from DRIFT on no better than chance."""
    rng = np.random.default_rng(7)
    target = rng.integers(0, 4, RECORDS)
    accuracy = np.where(np.arange(FIRST, FIRST + RECORDS) < DRIFT, 0.95, 0.25)
    shown = np.where(rng.random(RECORDS) < accuracy, target, (target + 1) % 4)
    logits = rng.normal(0, 0.5, (RECORDS, 4))
    logits[np.arange(RECORDS), shown] += 5
    powers = np.exp(logits)
    batch = Batch(
        x=np.zeros((RECORDS, 1, 4), np.float32),
        target=target,
        ids=id_column(range(RECORDS)),
        timestamps=np.arange(RECORDS, dtype=np.float64),
        positions=np.stack([np.zeros(RECORDS, np.int64), np.arange(RECORDS)], axis=1),
    )
    return batch, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


BATCH, PROBABILITIES = stream()


def poll(made: Observer, start: int, stop: int) -> Observation:
    return made.observe(
        BATCH[start:stop],
        first_record=FIRST + start,
        probabilities=PROBABILITIES[start:stop],
        at=NOW,
    )


def observe_all(made: Observer, cuts: list[int]) -> tuple[list[BlockScore], list[Alarm]]:
    blocks: list[BlockScore] = []
    alarms: list[Alarm] = []
    for start, stop in zip([0, *cuts], [*cuts, RECORDS], strict=True):
        observation = poll(made, start, stop)
        blocks += observation.blocks
        alarms += observation.alarms
    return blocks, alarms


CUTS = st.lists(st.integers(0, RECORDS), max_size=40).map(sorted)


def test_blocks_hold_what_their_records_score() -> None:
    blocks, _ = observe_all(observer(), [])
    assert len(blocks) == RECORDS // 32
    hits, losses = score(PROBABILITIES, BATCH.target)
    for number, block in enumerate(blocks):
        rows = slice(number * 32, (number + 1) * 32)
        assert block == BlockScore(
            stream="pump",
            block=(FIRST + number * 32) // 32,
            first_record=FIRST + number * 32,
            records=32,
            hits=int(hits[rows].sum()),
            loss=pytest.approx(losses[rows].mean()),  # type: ignore[arg-type]
            release_digest="d1",
            at=NOW,
        )


def test_drift_raises_one_alarm_soon_after_it_and_dates_it() -> None:
    _, alarms = observe_all(observer(), [])
    (alarm,) = alarms
    assert DRIFT < alarm.record <= DRIFT + 8 * 32
    assert abs(alarm.since_record - DRIFT) <= 32


@settings(max_examples=50, deadline=None)
@given(cuts=CUTS)
def test_blocks_and_alarms_are_the_same_however_records_are_polled(cuts: list[int]) -> None:
    whole, cut = observer(), observer()
    expected = observe_all(whole, [])
    assert observe_all(cut, cuts) == expected
    assert cut.state() == whole.state()


@settings(max_examples=50, deadline=None)
@given(cuts=CUTS, at=st.integers(0, RECORDS))
def test_restore_at_any_record_goes_on_alike(cuts: list[int], at: int) -> None:
    expected = observe_all(observer(), [])
    first = observer()
    before = [cut for cut in cuts if cut < at]
    blocks: list[BlockScore] = []
    alarms: list[Alarm] = []
    made = first
    for start, stop in zip([0, *before], [*before, at], strict=True):
        observation = poll(made, start, stop)
        blocks += observation.blocks
        alarms += observation.alarms
    made = Observer(
        stream="pump", contract=CONTRACT, alarm=AlarmConfig(block_records=32, warm_up_blocks=10)
    )
    made.restore(json.loads(json.dumps(first.state())))
    after = [cut for cut in cuts if cut >= at]
    for start, stop in zip([at, *after], [*after, RECORDS], strict=True):
        observation = poll(made, start, stop)
        blocks += observation.blocks
        alarms += observation.alarms
    assert (blocks, alarms) == expected


def test_no_block_holds_records_of_two_releases() -> None:
    made = observer()
    assert len(poll(made, 0, 50).blocks) == 1
    made.reset("d2")
    blocks = poll(made, 50, 150).blocks
    assert [block.first_record for block in blocks] == [FIRST + 50, FIRST + 82, FIRST + 114]
    assert {block.release_digest for block in blocks} == {"d2"}
    assert {block.records for block in blocks} == {32}


def test_block_numbers_grow_whatever_a_reset_drops() -> None:
    made = observer()
    numbers: list[int] = []
    start = 0
    for step in (33, 32, 63, 31, 40, 95, 64):
        numbers += [block.block for block in poll(made, start, start + step).blocks]
        made.reset("d")
        start += step
    assert len(numbers) == 8
    assert numbers == sorted(set(numbers))


def test_after_a_reset_the_drifted_stream_is_the_reference() -> None:
    made = observer()
    assert len(poll(made, 0, DRIFT - FIRST + 200).alarms) == 1
    made.reset("d2")
    assert not made.is_quiet
    assert poll(made, DRIFT - FIRST + 200, RECORDS).alarms == ()


def test_resumed_alarms_keep_the_release_and_the_block_in_progress() -> None:
    made = observer()
    stop = DRIFT - FIRST + 201
    assert len(poll(made, 0, stop).alarms) == 1
    assert made.is_quiet
    made.resume_alarms()
    assert not made.is_quiet
    blocks = poll(made, stop, RECORDS).blocks
    assert blocks[0].first_record == FIRST + stop // 32 * 32
    assert blocks[0].release_digest == "d1"


def test_records_are_refused_before_it_is_known_whose_predictions_they_carry() -> None:
    made = Observer(stream="pump", contract=CONTRACT, alarm=AlarmConfig())
    with pytest.raises(RuntimeError, match="reset"):
        poll(made, 0, 10)


def test_records_that_come_again_are_refused() -> None:
    made = observer()
    poll(made, 0, 10)
    with pytest.raises(ValueError, match=str(FIRST + 10)):
        poll(made, 9, 20)


def test_a_block_goes_on_behind_records_that_another_release_has_predicted() -> None:
    made = observer(block_records=32)
    poll(made, 0, 10)
    (block,) = poll(made, 20, 44).blocks
    assert (block.first_record, block.records) == (FIRST, 32)
    (block,) = poll(made, 44, 74).blocks
    assert block.first_record == FIRST + 42


def test_a_state_that_does_not_say_which_records_its_block_has_begins_anew_and_stays_quiet() -> (
    None
):
    made = observer(block_records=32)
    poll(made, 0, 40)
    state = made.state()
    old = {
        **state,
        "schema_version": 1,
        "blocks": {"size": 32, "first_record": FIRST + 32, "rest": {"hit": [1.0], "loss": [0.1]}},
        "monitor": {**state["monitor"], "is_quiet": True},
    }
    again = observer(block_records=32)
    again.restore(json.loads(json.dumps(old)))
    assert again.is_quiet
    (block,) = poll(again, 33, 65).blocks
    assert block.first_record == FIRST + 33


def test_predictions_over_other_classes_are_refused() -> None:
    made = observer()
    with pytest.raises(ValueError, match=r"\[10, 4\]"):
        made.observe(BATCH[:10], first_record=FIRST, probabilities=PROBABILITIES[:10, :3], at=NOW)


def test_records_of_a_broken_sensor_are_scored_and_say_nothing_of_a_drift() -> None:
    spoiled = np.arange(FIRST, FIRST + RECORDS) >= DRIFT
    made, kept = observer(), observer()
    found = made.observe(
        BATCH, first_record=FIRST, probabilities=PROBABILITIES, at=NOW, is_broken=spoiled
    )
    assert found.alarms == ()
    expected = poll(kept, 0, RECORDS)
    assert expected.alarms
    assert found.blocks == expected.blocks
    # Blocks that it has no part in go on as if there had been none in between.
    before = poll(again := observer(), 0, (DRIFT - FIRST) // 32 * 32)
    assert before.alarms == ()
    assert made.state()["monitor"] == again.state()["monitor"]


def test_a_state_of_before_that_was_known_goes_on() -> None:
    made, again = observer(), observer()
    poll(made, 0, 100)
    state = json.loads(json.dumps(made.state()))
    del state["blocks"]["rest"]["broken"]
    again.restore(state)
    assert again.state() == made.state()


def test_state_with_blocks_of_another_size_begins_anew() -> None:
    old = observer(block_records=64)
    poll(old, 0, 100)
    made = observer(block_records=32)
    made.restore(json.loads(json.dumps(old.state())))
    fresh = observer(block_records=32)
    assert made.state() == fresh.state()
    (block, *_) = poll(made, 100, 200).blocks
    assert block.first_record == FIRST + 100


def test_blocks_of_another_size_leave_alarms_quiet_while_a_drift_is_answered() -> None:
    old = observer(block_records=32)
    assert len(poll(old, 0, RECORDS).alarms) == 1
    made = observer(block_records=64)
    made.restore(json.loads(json.dumps(old.state())))
    assert made.is_quiet
    made.resume_alarms()
    assert made.state() == observer(block_records=64).state()


def test_state_of_another_version_is_refused() -> None:
    made = observer()
    with pytest.raises(ValueError, match="schema_version"):
        made.restore({**made.state(), "schema_version": 3})


def test_only_the_time_of_a_block_tells_when_it_was_filled() -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    made = observer()
    made.observe(BATCH[:20], first_record=FIRST, probabilities=PROBABILITIES[:20], at=NOW)
    (block,) = made.observe(
        BATCH[20:40], first_record=FIRST + 20, probabilities=PROBABILITIES[20:40], at=later
    ).blocks
    (same,) = poll(observer(), 0, 40).blocks
    assert block == replace(same, at=later)
