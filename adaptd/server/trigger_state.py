"""`TriggerState`: what waits for an episode of a stream, and what holds it back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from adaptd.registry import requests, schedules, usage, waits
from adaptd.registry.requests import Request
from adaptd.registry.schedules import ScheduleRow

# Of a request that no daemon has looked at yet.
UNSEEN = "unseen"


@dataclass(frozen=True)
class Waiting:
    """One trigger that waits.

    detail: the signal of a drift, or a person's words. record: the alarm's; None for others, which
    have none before they begin. reason: what holds it back: episode, sensor, quiet-hours,
    cool-down, budget or unseen. until: by the wall clock; until_time: by the records' time, POSIX
    seconds; neither where nobody can say.
    """

    kind: str
    detail: str
    actor: str
    is_over_budget: bool
    record: int | None
    since: datetime
    reason: str
    until: datetime | None
    until_time: float | None


@dataclass(frozen=True)
class TriggerState:
    """queue: in the order in which they are taken. schedule: None where there is none.
    compute_seconds: of the stream's workers, today (UTC)."""

    queue: tuple[Waiting, ...]
    schedule: ScheduleRow | None
    compute_seconds: float


def read(connection: Connection, stream: str, *, now: datetime) -> TriggerState:
    """The stream's triggers; empty for a name that is unknown."""
    return TriggerState(
        queue=tuple(_queue(connection, stream)),
        schedule=schedules.get(connection, stream),
        compute_seconds=usage.of_day(connection, stream=stream, day=usage.day_of(now)),
    )


def document(state: TriggerState) -> dict[str, Any]:
    """Plain values, aware times."""
    schedule = state.schedule
    return {
        "waiting": [dict(vars(waiting)) for waiting in state.queue],
        "schedule": None
        if schedule is None
        else {
            "timing": schedule.timing,
            "last_run": schedule.last_run,
            "next_due": schedule.next_due,
        },
        "compute_seconds_today": state.compute_seconds,
    }


def request_document(request: Request) -> dict[str, Any]:
    """One request, as the API gives it."""
    return dict(vars(request))


def _queue(connection: Connection, stream: str) -> list[Waiting]:
    asked = requests.waiting(connection, stream)
    found: dict[str, Waiting] = {}
    for wait in waits.listing(connection, stream):
        trigger = wait.trigger
        found[wait.kind] = Waiting(
            kind=wait.kind,
            detail=str(trigger.get("detail", "")),
            actor=str(trigger.get("actor", "")),
            is_over_budget=bool(trigger.get("is_over_budget", False)),
            record=trigger.get("record") if wait.kind == "drift" else None,
            since=wait.since,
            reason=wait.reason,
            until=wait.until,
            until_time=wait.until_time,
        )
    if asked and "manual" not in found:
        found["manual"] = Waiting(
            kind="manual",
            detail=asked[-1].reason,
            actor=asked[-1].actor,
            is_over_budget=any(request.is_over_budget for request in asked),
            record=None,
            since=asked[0].asked_at,
            reason=UNSEEN,
            until=None,
            until_time=None,
        )
    return [found[kind] for kind in ("drift", "manual", "schedule") if kind in found]
