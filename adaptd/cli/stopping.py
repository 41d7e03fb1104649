"""SIGTERM and SIGINT as an event that the work looks at."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_on_signal(stop: Event) -> Iterator[Event]:
    """Inside, either signal sets `stop`; one more changes nothing. Yields an event that tells
    whether a signal came. Only for the main thread; puts the earlier handlers back at the end.
    """
    received = Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        received.set()
        stop.set()

    earlier = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield received
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
