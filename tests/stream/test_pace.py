import pytest

from adaptd.clock import FakeClock
from adaptd.stream.pace import Paced
from adaptd.stream.scenario import SCENARIOS
from adaptd.stream.scenario_source import ScenarioSource


def paced(clock: FakeClock, rate: float, *, from_record: int = 0) -> Paced:
    source = ScenarioSource(SCENARIOS["lag-shift"], seed=0, drift_at=0, records=1_000)
    return Paced(
        source,
        records_per_second=rate,
        from_record=from_record,
        clock=clock,
        sleep=clock.advance,
    )


@pytest.mark.parametrize("rate", [3.0, 40.0, 170.5])
def test_records_come_at_the_rate(rate: float) -> None:
    clock = FakeClock()
    source = paced(clock, rate)
    records = 0
    while clock.monotonic() < 3:
        records += len(source.poll(maximum=64, timeout_seconds=0.1).batch)
    assert abs(records - 3 * rate) <= 0.1 * rate + 2


def test_a_poll_waits_no_longer_than_its_timeout() -> None:
    clock = FakeClock()
    source = paced(clock, 0.1)
    poll = source.poll(maximum=5, timeout_seconds=2)
    assert clock.monotonic() == 2
    assert len(poll.batch) == 0
    assert not poll.is_exhausted
    for _ in range(4):
        poll = source.poll(maximum=5, timeout_seconds=2)
    assert len(poll.batch) == 1


def test_an_empty_poll_keeps_the_positions() -> None:
    clock = FakeClock()
    source = paced(clock, 1)
    source.seek({0: 7})
    assert source.poll(maximum=5, timeout_seconds=0.1).positions == {0: 7}
    assert source.poll(maximum=5, timeout_seconds=1).positions == {0: 8}
    assert source.poll(maximum=5, timeout_seconds=0.1).positions == {0: 8}


def test_a_pause_is_not_made_up_for_by_a_flood() -> None:
    clock = FakeClock()
    source = paced(clock, 10)
    clock.advance(60)
    assert len(source.poll(maximum=1_000, timeout_seconds=1).batch) == 10


def test_the_end_is_passed_on() -> None:
    clock = FakeClock()
    source = paced(clock, 5_000)
    clock.advance(1)
    assert source.poll(maximum=2_000, timeout_seconds=1).is_exhausted
    assert source.lag() == {0: 0}


def test_what_falls_due_within_the_timeout_comes_in_one_poll() -> None:
    clock = FakeClock()
    source = paced(clock, 300)
    assert len(source.poll(maximum=256, timeout_seconds=0.1).batch) == 30
    assert len(source.poll(maximum=8, timeout_seconds=0.1).batch) == 8


def test_records_before_the_pace_come_at_once_and_the_others_at_the_rate() -> None:
    clock = FakeClock()
    source = paced(clock, 10, from_record=300)
    sizes = [len(source.poll(maximum=256, timeout_seconds=0.1).batch) for _ in range(2)]
    assert (sizes, clock.monotonic()) == ([256, 44], 0)
    records = 0
    while clock.monotonic() < 2:
        records += len(source.poll(maximum=256, timeout_seconds=0.1).batch)
    assert records == pytest.approx(20, abs=1)


def test_a_source_that_goes_on_behind_the_beginning_of_the_pace_is_held_to_it() -> None:
    clock = FakeClock()
    source = paced(clock, 10, from_record=300)
    source.seek({0: 299})
    assert len(source.poll(maximum=256, timeout_seconds=1).batch) == 1
    assert clock.monotonic() == 0
    assert len(source.poll(maximum=256, timeout_seconds=1).batch) == 10
    source.seek({0: 500})
    assert len(source.poll(maximum=256, timeout_seconds=0.5).batch) == 5
