import numpy as np
import pytest

from adaptd.adaptation.trigger import Trigger
from adaptd.daemon.planning import span
from adaptd.stream.window import Window
from tests.daemon.conftest import SCHEMA, records


@pytest.fixture
def window() -> Window:
    opened = Window(300, SCHEMA.shape)
    opened.append(records(0, 500))
    return opened


def drift(since: int) -> Trigger:
    return Trigger(kind="drift", stream="s", record=490, since_record=since)


def test_after_a_drift_training_begins_where_it_began(window: Window) -> None:
    assert span(drift(450), window, records=200) == (450, 650)


def test_records_that_left_the_window_are_not_asked_for(window: Window) -> None:
    assert span(drift(100), window, records=200) == (200, 400)
    assert np.array_equal(window.between(200, 400).x, records(200, 200).x)


def test_a_schedule_takes_the_latest(window: Window) -> None:
    trigger = Trigger(kind="schedule", stream="s", record=499, since_record=499)
    assert span(trigger, window, records=200) == (300, 500)
    assert span(trigger, window, records=1_000) == (200, 500)
