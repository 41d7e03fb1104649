import numpy as np
import pytest

from adaptd.adaptation.trigger import Trigger
from adaptd.daemon.training_records import choose
from adaptd.observer.outages import Outages
from adaptd.stream.window import Window
from tests.daemon.conftest import SCHEMA, records

SIZE = 10


@pytest.fixture
def window() -> Window:
    opened = Window(300, SCHEMA.shape)
    opened.append(records(0, 500))
    return opened


def broken(*blocks: int) -> Outages:
    """Of those blocks, and the one before and after each."""
    outages = Outages(SIZE, is_watched=bool(blocks))
    outages.see(0, records(0, 500).positions, [(SIZE * at, SIZE * at + SIZE) for at in blocks])
    return outages


def drift(since: int) -> Trigger:
    return Trigger(kind="drift", stream="s", record=490, since_record=since)


SCHEDULE = Trigger(kind="schedule", stream="s", record=499, since_record=499)


def test_after_a_drift_training_begins_where_it_began(window: Window) -> None:
    chosen = choose(drift(350), window, broken(), records=100)
    assert (chosen.first, chosen.end, chosen.left_out) == (350, 450, ())
    assert chosen.are_there
    assert np.array_equal(chosen.of(window).x, records(350, 100).x)


def test_after_a_drift_records_may_have_to_come(window: Window) -> None:
    chosen = choose(drift(450), window, broken(), records=200)
    assert (chosen.count, chosen.wanted, chosen.are_there) == (50, 200, False)
    assert not choose(drift(510), window, broken(), records=200).are_there


def test_records_that_left_the_window_are_not_asked_for(window: Window) -> None:
    chosen = choose(drift(100), window, broken(), records=200)
    assert (chosen.first, chosen.end) == (200, 400)


def test_a_schedule_takes_the_latest(window: Window) -> None:
    chosen = choose(SCHEDULE, window, broken(), records=200)
    assert (chosen.first, chosen.end) == (300, 500)
    chosen = choose(SCHEDULE, window, broken(), records=1_000)
    assert (chosen.first, chosen.end, chosen.are_there) == (200, 500, True)


def test_records_of_a_broken_sensor_are_made_up_for_by_earlier_ones(window: Window) -> None:
    chosen = choose(SCHEDULE, window, broken(41, 42, 45), records=200)
    assert chosen.left_out == ((400, 470),)
    # Nor the latest, of which it is not known yet.
    assert (chosen.first, chosen.end, chosen.count) == (210, 480, 200)
    learnt = chosen.of(window)
    expected = [*range(210, 400), *range(470, 480)]
    assert learnt.positions[:, 1].tolist() == expected


def test_after_a_drift_they_are_made_up_for_by_later_ones(window: Window) -> None:
    chosen = choose(drift(390), window, broken(41, 42), records=50)
    assert (chosen.first, chosen.end) == (390, 480)
    assert chosen.of(window).positions[:, 1].tolist() == [*range(390, 400), *range(440, 480)]
    assert not choose(drift(390), window, broken(41, 42), records=51).are_there


def test_a_record_whose_label_came_before_its_time_is_left_out() -> None:
    window, outages = Window(300, SCHEMA.shape), Outages(SIZE)
    came = records(0, 500)
    window.append(came[:100])
    # Of the latest that have come, and of others that came before them.
    window.append(came[495:496])
    window.append(came[100:300])
    outages.see(0, came.positions, [])
    chosen = choose(SCHEDULE, window, outages, records=200)
    assert chosen.left_out == ((100, 101),)
    assert chosen.of(window).positions[:, 1].max() < 480


def test_where_too_few_are_left_more_have_to_come(window: Window) -> None:
    chosen = choose(SCHEDULE, window, broken(*range(25, 44)), records=200)
    assert (chosen.count, chosen.wanted, chosen.are_there) == (70, 200, False)
    # In a window that is not full either.
    chosen = choose(SCHEDULE, window, broken(*range(25, 44)), records=400)
    assert (chosen.count, chosen.wanted, chosen.are_there) == (70, 280, False)
