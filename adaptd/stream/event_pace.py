"""`EventPace`: when a record is due that was recorded at another time."""

from adaptd.clock import Clock


class EventPace:
    """So many seconds of event time a second, from the first record that is asked about."""

    def __init__(self, speed: float, clock: Clock) -> None:
        self._speed = speed
        self._clock = clock
        self._begun: tuple[float, float] | None = None

    def due_in(self, time: float) -> float:
        """Seconds until it is due; below 0 where it is late. time: POSIX seconds, event time."""
        now = self._clock.monotonic()
        if self._begun is None:
            self._begun = (now, time)
        begun_at, first_time = self._begun
        return begun_at + (time - first_time) / self._speed - now

    def put_off(self, seconds: float) -> None:
        """Everything is due so much later."""
        if self._begun is not None:
            begun_at, first_time = self._begun
            self._begun = (begun_at + seconds, first_time)

    def forget(self) -> None:
        """The next record that is asked about is the first."""
        self._begun = None
