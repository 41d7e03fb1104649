from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.clock import FakeClock
from adaptd.stream.event_pace import EventPace
from adaptd.stream.replay import ReplaySource
from adaptd.stream.scenario import SCENARIOS
from adaptd.stream.scenario_source import ScenarioSource
from adaptd.stream.schema import Schema
from adaptd.stream.source import Poll
from adaptd.stream.timed import Timed

START = 1_767_225_600.0


def recording(directory: Path, times: Sequence[float | None]) -> Path:
    """A row at each of these seconds after a start; None is a row that does not fit."""
    path = directory / "pump.jsonl"
    lines = [
        b"spilt"
        if time is None
        else orjson.dumps(
            {"id": f"r{row}", "x": [[row] * 3] * 2, "target": "calm", "time": START + time}
        )
        for row, time in enumerate(times)
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def timed(
    path: Path, schema: Schema, clock: FakeClock, *, speed: float = 1, from_record: int = 0
) -> Timed:
    return Timed(
        ReplaySource(path, schema, needs_times=True),
        speed=speed,
        from_record=from_record,
        clock=clock,
        sleep=clock.advance,
    )


def drained(source: Timed, clock: FakeClock, *, maximum: int = 256) -> list[tuple[float, Poll]]:
    """Each poll that gave something, and when it ended."""
    polls: list[tuple[float, Poll]] = []
    is_over = False
    while not is_over:
        started = clock.monotonic()
        poll = source.poll(maximum=maximum, timeout_seconds=0.5)
        assert clock.monotonic() - started <= 0.5 + 1e-6
        is_over = poll.is_exhausted
        if len(poll.batch) or poll.rejects:
            polls.append((clock.monotonic(), poll))
    return polls


@pytest.mark.parametrize("speed", [0.5, 1, 20])
def test_records_come_when_they_are_due_and_no_later_than_a_poll(
    tmp_path: Path, schema: Schema, speed: float
) -> None:
    times = [0, 0.2, 0.2, 3, 10, 10.1, 60]
    clock = FakeClock()
    began = clock.monotonic()
    came: dict[str, float] = {}
    for at, poll in drained(timed(recording(tmp_path, times), schema, clock, speed=speed), clock):
        came |= dict.fromkeys(poll.batch.ids, at - began)
    assert list(came) == [f"r{row}" for row in range(len(times))]
    for row, at in enumerate(came.values()):
        assert times[row] / speed - 1e-5 <= at <= times[row] / speed + 0.5 + 1e-5


@given(
    steps=st.lists(st.one_of(st.floats(-2, 3), st.none()), min_size=1, max_size=25),
    maximum=st.integers(1, 9),
    killed_at=st.integers(0, 30),
)
def test_each_row_comes_once_and_positions_say_which_through_a_kill(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[float | None],
    maximum: int,
    killed_at: int,
) -> None:
    schema = Schema(shape=(2, 3), classes=("calm", "rough"), features=("left", "right"))
    time, times = 0.0, []
    for step in steps:
        time += step or 0
        times.append(None if step is None else time)
    path = recording(tmp_path_factory.mktemp("rows"), times)
    clock = FakeClock()
    source = timed(path, schema, clock)
    rows: list[int] = []
    position, polls, is_over = 0, 0, False
    while not is_over:
        if polls == killed_at:
            source.close()
            source = timed(path, schema, clock)
            source.seek({0: position})
        poll = source.poll(maximum=maximum, timeout_seconds=0.5)
        rows += sorted(
            [*poll.batch.positions[:, 1].tolist(), *(reject.offset for reject in poll.rejects)]
        )
        position, polls, is_over = poll.positions[0], polls + 1, poll.is_exhausted
        assert rows == list(range(position))
    assert position == len(steps)
    source.close()


def test_a_restart_goes_on_at_the_pace_from_its_position(tmp_path: Path, schema: Schema) -> None:
    path = recording(tmp_path, [0, 100, 103, 104])
    clock = FakeClock()
    source = timed(path, schema, clock)
    source.seek({0: 1})
    # The hour that nobody ran is not made up for, nor is what lies before it waited for.
    clock.advance(3_600)
    began = clock.monotonic()
    came = {
        name: at - began for at, poll in drained(source, clock) for name in poll.batch.ids.tolist()
    }
    assert came == {
        "r1": pytest.approx(0, abs=0.51),
        "r2": pytest.approx(3, abs=0.51),
        "r3": pytest.approx(4, abs=0.51),
    }


def test_a_pause_of_the_reader_is_not_made_up_for_by_a_flood(
    tmp_path: Path, schema: Schema
) -> None:
    clock = FakeClock()
    source = timed(recording(tmp_path, list(range(100))), schema, clock)
    assert len(source.poll(maximum=50, timeout_seconds=0).batch) == 1
    clock.advance(60)
    assert len(source.poll(maximum=50, timeout_seconds=0).batch) == 2
    assert len(source.poll(maximum=50, timeout_seconds=3).batch) == 3


def test_a_time_that_jumps_back_is_not_waited_for_and_holds_nothing_up(
    tmp_path: Path, schema: Schema
) -> None:
    clock = FakeClock()
    began = clock.monotonic()
    source = timed(recording(tmp_path, [100, 101, 2, 3, 102]), schema, clock)
    came = [
        (round(at - began), name)
        for at, poll in drained(source, clock, maximum=2)
        for name in poll.batch.ids.tolist()
    ]
    assert came == [(0, "r0"), (1, "r1"), (1, "r2"), (1, "r3"), (2, "r4")]


def test_records_before_the_pace_come_at_once(tmp_path: Path, schema: Schema) -> None:
    clock = FakeClock()
    source = timed(
        recording(tmp_path, [10.0 * row for row in range(9)]), schema, clock, from_record=5
    )
    assert len(source.poll(maximum=3, timeout_seconds=1).batch) == 3
    assert len(source.poll(maximum=3, timeout_seconds=1).batch) == 2
    assert len(source.poll(maximum=3, timeout_seconds=1).batch) == 1
    assert len(source.poll(maximum=3, timeout_seconds=1).batch) == 0


def test_lag_counts_what_was_read_and_is_not_due() -> None:
    clock = FakeClock()
    source = Timed(
        ScenarioSource(SCENARIOS["lag-shift"], seed=0, drift_at=0, records=40),
        speed=2,
        clock=clock,
        sleep=clock.advance,
    )
    given_so_far = len(source.poll(maximum=30, timeout_seconds=3).batch)
    assert given_so_far == 7
    assert source.lag() == {0: 33}


def test_a_pace_begins_with_the_first_time_that_it_is_asked_about() -> None:
    clock = FakeClock()
    pace = EventPace(4, clock)
    assert pace.due_in(100) == 0
    clock.advance(1)
    assert pace.due_in(108) == 1
    pace.put_off(2)
    assert pace.due_in(108) == 3
    pace.forget()
    assert pace.due_in(500) == 0
