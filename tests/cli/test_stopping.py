"""Signals ask for a stop and do nothing else."""

import os
import signal
from threading import Event

import pytest

from adaptd.cli.stopping import stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event_and_a_second_one_is_harmless(number: signal.Signals) -> None:
    stop = Event()
    with stop_on_signal(stop) as received:
        assert not received.is_set()
        os.kill(os.getpid(), number)
        assert stop.is_set()
        assert received.is_set()
        os.kill(os.getpid(), number)


def test_a_stop_without_a_signal_is_told_apart() -> None:
    stop = Event()
    with stop_on_signal(stop) as received:
        stop.set()
        assert not received.is_set()


def test_the_earlier_handlers_come_back() -> None:
    earlier = signal.getsignal(signal.SIGTERM)
    with stop_on_signal(Event()):
        assert signal.getsignal(signal.SIGTERM) is not earlier
    assert signal.getsignal(signal.SIGTERM) is earlier
