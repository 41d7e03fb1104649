"""What holds a trigger back, and until when."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from adaptd.adaptation.trigger import Trigger
from adaptd.config import TriggersConfig
from adaptd.config.quiet_hours import quiet_until

Reason = Literal["episode", "sensor", "quiet-hours", "cool-down", "budget"]

# In the order in which they are looked at; the first that holds is the one that is told.
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True)
class Hold:
    """Why a trigger waits. until: the wall clock; until_time: the records' time, POSIX seconds;
    neither where nobody can say."""

    reason: Reason
    until: datetime | None = None
    until_time: float | None = None


@dataclass(frozen=True)
class Situation:
    """What there is to hold a trigger back.

    now: wall clock, aware. time: the records', POSIX seconds; None before the first. ended_at: the
    same at the end of the latest episode; None before the first. used_seconds: of today's compute.
    """

    is_episode_open: bool
    now: datetime
    time: float | None
    ended_at: float | None
    used_seconds: float
    is_sensor_broken: bool = False


def hold(
    trigger: Trigger, situation: Situation, config: TriggersConfig, *, is_continued: bool = False
) -> Hold | None:
    """What holds the trigger back now; None for nothing.

    is_continued: it goes on with what an episode has begun, so that no cool-down lies between.
    """
    if situation.is_episode_open:
        return Hold("episode")
    if situation.is_sensor_broken and trigger.kind != "drift":
        # A drift's own episode looks for that, and is held.
        return Hold("sensor")
    quiet = quiet_until(config.hours, situation.now, config.zone)
    if quiet is not None:
        return Hold("quiet-hours", until=quiet)
    if trigger.kind != "manual" and not is_continued and situation.ended_at is not None:
        warm = situation.ended_at + config.cool_down_seconds
        if situation.time is not None and situation.time < warm:
            return Hold("cool-down", until_time=warm)
    limit = config.compute_seconds_per_day
    if limit is not None and situation.used_seconds >= limit and not trigger.is_over_budget:
        return Hold("budget", until=_midnight_after(situation.now))
    return None


def _midnight_after(now: datetime) -> datetime:
    day = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
