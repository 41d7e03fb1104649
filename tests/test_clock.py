from datetime import UTC, timedelta

import pytest

from adaptd.clock import FakeClock, SystemClock


def test_fake_clock_moves_only_when_told() -> None:
    clock = FakeClock()
    before, monotonic = clock.now(), clock.monotonic()
    assert clock.now() == before
    clock.advance(1.5)
    assert clock.now() - before == timedelta(seconds=1.5)
    assert clock.monotonic() - monotonic == 1.5


def test_no_clock_goes_back() -> None:
    with pytest.raises(ValueError, match="-1"):
        FakeClock().advance(-1)


def test_system_time_is_aware_and_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
