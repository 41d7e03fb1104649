"""How long to wait before the next try of something that the world made fail."""

from numpy.random import Generator

# 2 ** 64 first waits are longer than any longest one, and 2.0 ** 1024 is no float any more.
MOST_DOUBLINGS = 64


class Backoff:
    """Doubles from `first_seconds` to `longest_seconds`, each time less a random quarter.

    The jitter keeps many daemons from coming back to a broker in the same instant.
    """

    def __init__(
        self, random: Generator, *, first_seconds: float = 0.5, longest_seconds: float = 30.0
    ) -> None:
        self._random = random
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._failures = 0

    def fail(self) -> float:
        """Counts a failure and returns the seconds to wait."""
        doublings = min(self._failures, MOST_DOUBLINGS)
        seconds = min(self._longest_seconds, self._first_seconds * 2.0**doublings)
        self._failures += 1
        return float(seconds * (1 - 0.25 * self._random.random()))

    def succeed(self) -> None:
        """The next failure waits the first time again."""
        self._failures = 0
