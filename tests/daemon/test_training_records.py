import numpy as np
import pytest

from adaptd.adaptation.trigger import Trigger
from adaptd.daemon.training_records import choose
from adaptd.observer.outages import Outages
from adaptd.stream.positions import none
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
    chosen = choose(drift(350), window, broken(), records=100, held_back=none(), minimum=1)
    assert (chosen.first, chosen.end, chosen.left_out) == (350, 450, ())
    assert chosen.are_there
    assert np.array_equal(chosen.of(window).x, records(350, 100).x)


def test_after_a_drift_records_may_have_to_come(window: Window) -> None:
    chosen = choose(drift(450), window, broken(), records=200, held_back=none(), minimum=1)
    assert (chosen.count, chosen.wanted, chosen.are_there) == (50, 200, False)
    assert not choose(
        drift(510), window, broken(), records=200, held_back=none(), minimum=1
    ).are_there


def test_records_that_left_the_window_are_not_asked_for(window: Window) -> None:
    chosen = choose(drift(100), window, broken(), records=200, held_back=none(), minimum=1)
    assert (chosen.first, chosen.end) == (200, 400)


def test_a_schedule_takes_the_latest(window: Window) -> None:
    chosen = choose(SCHEDULE, window, broken(), records=200, held_back=none(), minimum=1)
    assert (chosen.first, chosen.end) == (300, 500)
    chosen = choose(SCHEDULE, window, broken(), records=1_000, held_back=none(), minimum=1)
    assert (chosen.first, chosen.end, chosen.are_there) == (200, 500, True)


def test_records_of_a_broken_sensor_are_made_up_for_by_earlier_ones(window: Window) -> None:
    chosen = choose(SCHEDULE, window, broken(41, 42, 45), records=200, held_back=none(), minimum=1)
    assert chosen.left_out == ((400, 470),)
    # Nor the latest, of which it is not known yet.
    assert (chosen.first, chosen.end, chosen.count) == (210, 480, 200)
    learnt = chosen.of(window)
    expected = [*range(210, 400), *range(470, 480)]
    assert learnt.positions[:, 1].tolist() == expected


def test_after_a_drift_they_are_made_up_for_by_later_ones(window: Window) -> None:
    chosen = choose(drift(390), window, broken(41, 42), records=50, held_back=none(), minimum=1)
    assert (chosen.first, chosen.end) == (390, 480)
    assert chosen.of(window).positions[:, 1].tolist() == [*range(390, 400), *range(440, 480)]
    assert not choose(
        drift(390), window, broken(41, 42), records=51, held_back=none(), minimum=1
    ).are_there


def test_where_too_few_are_left_more_have_to_come() -> None:
    growing = Window(2_000, SCHEMA.shape)
    growing.append(records(0, 500))
    outages = broken(*range(25, 44))
    chosen = choose(SCHEDULE, growing, outages, records=400, held_back=none(), minimum=1)
    assert (chosen.count, chosen.wanted, chosen.are_there) == (270, 400, False)
    chosen = choose(SCHEDULE, growing, outages, records=1_000, held_back=none(), minimum=1)
    assert (chosen.count, chosen.wanted, chosen.are_there) == (270, 480, False)


@pytest.mark.parametrize("wanted", [280, 290, 300])
def test_no_more_is_wanted_than_a_window_that_slides_can_hold(window: Window, wanted: int) -> None:
    watched = Outages(SIZE)
    for trigger in (drift(100), SCHEDULE):
        chosen = choose(trigger, window, watched, records=wanted, held_back=none(), minimum=100)
        assert (chosen.first, chosen.end, chosen.count) == (200, 480, 280)
        assert chosen.are_there
    # Of a drift that has just begun so many may yet come.
    chosen = choose(drift(210), window, watched, records=wanted, held_back=none(), minimum=100)
    assert (chosen.count, chosen.wanted) == (270, 280)


@pytest.mark.parametrize("trigger", [drift(100), SCHEDULE])
def test_an_outage_in_the_window_is_not_waited_out(window: Window, trigger: Trigger) -> None:
    chosen = choose(trigger, window, broken(41, 42), records=250, held_back=none(), minimum=100)
    assert (chosen.count, chosen.wanted, chosen.are_there) == (240, 240, True)
    assert chosen.left_out == ((400, 440),)


@pytest.mark.parametrize("trigger", [drift(100), SCHEDULE])
def test_unless_it_leaves_too_little(window: Window, trigger: Trigger) -> None:
    outages = broken(*range(25, 44))
    chosen = choose(trigger, window, outages, records=250, held_back=none(), minimum=100)
    assert (chosen.count, chosen.wanted, chosen.are_there) == (70, 100, False)
    window.append(records(500, 70))
    outages.see(500, records(500, 70).positions, [])
    assert choose(trigger, window, outages, records=250, held_back=none(), minimum=100).are_there
    # What no window of that size ever holds is not waited for: it is refused.
    assert choose(
        trigger, window, Outages(SIZE), records=300, held_back=none(), minimum=300
    ).are_there


def test_what_forgetting_is_measured_on_is_made_up_for_by_earlier_ones(window: Window) -> None:
    held_back = records(0, 500).positions[401:500:10]
    chosen = choose(SCHEDULE, window, broken(41, 42), held_back=held_back, records=200, minimum=100)
    # Six of ten: of the latest twenty it is not known yet, and four came in the outage.
    assert (chosen.first, chosen.end, chosen.count, chosen.held_back) == (236, 480, 200, 4)
    assert chosen.left_out == ((400, 440),)
    learnt = chosen.of(window).positions[:, 1].tolist()
    held = {441, 451, 461, 471}
    assert learnt == [one for one in (*range(236, 400), *range(440, 480)) if one not in held]


def test_nobody_waits_for_what_is_held_back(window: Window) -> None:
    held_back = records(0, 500).positions[250:350]
    chosen = choose(SCHEDULE, window, broken(), held_back=held_back, records=300, minimum=100)
    assert (chosen.count, chosen.are_there, chosen.held_back) == (200, True, 100)


def test_a_record_whose_label_came_before_its_time_is_left_out() -> None:
    window, outages = Window(300, SCHEMA.shape), Outages(SIZE)
    came = records(0, 500)
    window.append(came[:100])
    # Of the latest that have come, and of others that came before them.
    window.append(came[495:496])
    window.append(came[100:300])
    outages.see(0, came.positions, [])
    chosen = choose(SCHEDULE, window, outages, records=200, held_back=none(), minimum=100)
    assert chosen.left_out == ((100, 101),)
    assert chosen.of(window).positions[:, 1].max() < 480
