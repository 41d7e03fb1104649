"""What holds a trigger back."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adaptd.adaptation.hold import Hold, Situation, hold
from adaptd.adaptation.trigger import KINDS, Kind, Trigger
from adaptd.config import TriggersConfig

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FREE = Situation(is_episode_open=False, now=NOON, time=5_000.0, ended_at=4_000.0, used_seconds=0.0)
CONFIG = TriggersConfig(
    cool_down_seconds=600, quiet_hours=("22:00-06:00",), compute_seconds_per_day=100
)


def trigger(kind: Kind, *, is_over_budget: bool = False) -> Trigger:
    return Trigger(kind, "pump", 10, 10, is_over_budget=is_over_budget)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_holds_a_trigger_where_there_is_nothing(kind: Kind) -> None:
    assert hold(trigger(kind), FREE, CONFIG) is None
    busy = replace(FREE, ended_at=5_000.0, used_seconds=1e9)
    assert hold(trigger(kind), busy, TriggersConfig()) is None


@pytest.mark.parametrize("kind", KINDS)
def test_one_episode_at_a_time(kind: Kind) -> None:
    assert hold(trigger(kind), replace(FREE, is_episode_open=True), CONFIG) == Hold("episode")


def test_while_a_sensor_is_broken_only_its_own_episode_begins() -> None:
    broken = replace(FREE, is_sensor_broken=True)
    for kind in ("schedule", "manual"):
        assert hold(trigger(kind, is_over_budget=True), broken, CONFIG) == Hold("sensor")
    assert hold(trigger("drift"), broken, CONFIG) is None


@pytest.mark.parametrize("kind", KINDS)
def test_in_quiet_hours_every_trigger_waits_until_they_end(kind: Kind) -> None:
    night = replace(FREE, now=datetime(2026, 3, 1, 23, tzinfo=UTC))
    assert hold(trigger(kind, is_over_budget=True), night, CONFIG) == Hold(
        "quiet-hours", until=datetime(2026, 3, 2, 6, tzinfo=UTC)
    )


def test_a_cool_down_is_of_the_records_time_and_a_person_may_pass_it() -> None:
    soon = replace(FREE, time=4_599.0)
    for kind in ("drift", "schedule"):
        assert hold(trigger(kind), soon, CONFIG) == Hold("cool-down", until_time=4_600.0)
        assert hold(trigger(kind), replace(soon, time=4_600.0), CONFIG) is None
    assert hold(trigger("manual"), soon, CONFIG) is None
    # However long ago it is by the wall clock.
    assert hold(trigger("drift"), replace(soon, now=NOON.replace(year=2030)), CONFIG) is not None


def test_before_the_first_episode_there_is_no_cool_down() -> None:
    assert hold(trigger("drift"), replace(FREE, time=0.0, ended_at=None), CONFIG) is None


def test_what_goes_on_with_an_episode_needs_no_cool_down() -> None:
    soon = replace(FREE, time=4_001.0)
    assert hold(trigger("drift"), soon, CONFIG, is_continued=True) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_day_whose_compute_is_used_up_holds_until_the_next_one(kind: Kind) -> None:
    used = replace(FREE, used_seconds=100.0)
    assert hold(trigger(kind), replace(used, used_seconds=99.9), CONFIG) is None
    assert hold(trigger(kind), used, CONFIG) == Hold(
        "budget", until=datetime(2026, 3, 2, tzinfo=UTC)
    )
    assert hold(trigger(kind, is_over_budget=True), used, CONFIG) is None
