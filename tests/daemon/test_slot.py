from dataclasses import dataclass, field

import numpy as np
import pytest

from adaptd.clock import FakeClock
from adaptd.config import StreamConfig
from adaptd.daemon.backoff import Backoff
from adaptd.daemon.health import Health
from adaptd.daemon.slot import StreamSlot
from adaptd.errors import SourceError, SourceUnavailable, StaleEpochError, StoreUncertain


@dataclass
class ScriptedLoop:
    """Raises its errors, one a round, then goes on."""

    errors: list[Exception] = field(default_factory=list)
    trouble: str | None = None
    is_idle: bool = False
    rounds: int = 0
    is_closed: bool = False
    is_abandoned: bool = False

    def step(self, *, timeout_seconds: float) -> None:  # noqa: ARG002  (never waits)
        self.rounds += 1
        if self.errors:
            raise self.errors.pop(0)

    def close(self) -> None:
        self.is_closed = True

    def abandon(self) -> None:
        self.is_abandoned = True


@pytest.fixture
def health(clock: FakeClock) -> Health:
    opened = Health(clock)
    opened.clear("daemon")
    return opened


def slot(loop: ScriptedLoop, clock: FakeClock, health: Health) -> StreamSlot:
    return StreamSlot(
        StreamConfig.model_validate({"name": "s", "source": {"kind": "scenario"}}),
        open_loop=lambda _config: loop,  # type: ignore[arg-type, return-value]
        backoff=Backoff(np.random.default_rng(0)),
        clock=clock,
        health=health,
    )


def test_not_ready_before_its_first_round(clock: FakeClock, health: Health) -> None:
    opened = slot(ScriptedLoop(), clock, health)
    assert health.obstacles == {"s": "starting"}
    assert opened.step(timeout_seconds=0)
    assert health.obstacles == {}


def test_trouble_of_the_loop_shows_until_it_is_over(clock: FakeClock, health: Health) -> None:
    loop = ScriptedLoop(trouble="broker away")
    opened = slot(loop, clock, health)
    opened.step(timeout_seconds=0)
    assert health.obstacles == {"s": "broker away"}
    loop.trouble = None
    opened.step(timeout_seconds=0)
    assert health.obstacles == {}


def test_a_transient_error_is_tried_again_after_a_while(clock: FakeClock, health: Health) -> None:
    loop = ScriptedLoop([SourceUnavailable("broker away")])
    opened = slot(loop, clock, health)
    assert not opened.step(timeout_seconds=0)
    assert not opened.step(timeout_seconds=0)
    assert loop.rounds == 1
    clock.advance(1)
    assert opened.step(timeout_seconds=0)
    assert health.obstacles == {}


def test_a_permanent_error_puts_this_stream_out_of_service(
    clock: FakeClock, health: Health
) -> None:
    error = SourceError("no such topic")
    loop = ScriptedLoop([error])
    opened = slot(loop, clock, health)
    opened.step(timeout_seconds=0)
    assert opened.failure is error
    assert loop.is_closed
    clock.advance(3_600)
    assert not opened.step(timeout_seconds=0)
    assert loop.rounds == 1
    assert health.obstacles == {"s": "no such topic"}


def test_a_lost_epoch_is_the_whole_daemons(clock: FakeClock, health: Health) -> None:
    opened = slot(ScriptedLoop([StaleEpochError("newer owner")]), clock, health)
    with pytest.raises(StaleEpochError):
        opened.step(timeout_seconds=0)


def test_an_uncertain_commit_opens_the_loop_anew_without_a_checkpoint(
    clock: FakeClock, health: Health
) -> None:
    loops = [ScriptedLoop([StoreUncertain("went away")]), ScriptedLoop()]
    first, second = loops
    opened = StreamSlot(
        StreamConfig.model_validate({"name": "s", "source": {"kind": "scenario"}}),
        open_loop=lambda _config: loops.pop(0),  # type: ignore[arg-type, return-value]
        backoff=Backoff(np.random.default_rng(0)),
        clock=clock,
        health=health,
    )
    assert not opened.step(timeout_seconds=0)
    assert first.is_abandoned
    assert not first.is_closed
    assert health.obstacles == {"s": "went away"}
    clock.advance(10)
    assert opened.step(timeout_seconds=0)
    assert second.rounds == 1
    assert health.obstacles == {}
