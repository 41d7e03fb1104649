import numpy as np

from adaptd.daemon.backoff import Backoff


def test_waits_double_up_to_the_longest_and_start_again() -> None:
    backoff = Backoff(np.random.default_rng(0), first_seconds=1, longest_seconds=8)
    waits = [backoff.fail() for _ in range(6)]
    for wait, full in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert 0.75 * full < wait <= full
    backoff.succeed()
    assert backoff.fail() <= 1


def test_two_daemons_do_not_wait_alike() -> None:
    one, other = (Backoff(np.random.default_rng(seed)) for seed in (1, 2))
    assert one.fail() != other.fail()


def test_a_failure_that_goes_on_for_days_waits_the_longest_time() -> None:
    backoff = Backoff(np.random.default_rng(0), first_seconds=1e-6, longest_seconds=8)
    waits = [backoff.fail() for _ in range(1_100)]
    assert all(6 < wait <= 8 for wait in waits[-1_000:])
