"""What waits, why and until when, in words."""

from datetime import UTC, datetime

from adaptd.registry.requests import Answer
from adaptd.server.trigger_state import Waiting
from adaptd.server.wording import ABSENT, count, instant

REASONS = {
    "episode": "another episode is open, and there is one at a time",
    "sensor": "a sensor is broken",
    "quiet-hours": "quiet hours",
    "cool-down": "it cools down after the latest episode",
    "budget": "the day's compute is used up",
    "unseen": "the daemon has not seen it yet",
}


def what(waiting: Waiting) -> str:
    """What waits: a drift with its signal, a person with their words, the schedule."""
    if waiting.kind == "drift":
        return f"drift ({waiting.detail}) at record {count(waiting.record)}"
    if waiting.kind == "schedule":
        return "the schedule"
    words = f": {waiting.detail}" if waiting.detail else ""
    budget = ", over the budget" if waiting.is_over_budget else ""
    return f"{waiting.actor} asks{budget}{words}"


def why(waiting: Waiting) -> str:
    """What holds it back; a reason unknown here stays as it is."""
    return REASONS.get(waiting.reason, waiting.reason)


def until(waiting: Waiting) -> str:
    """When that is over, as far as anybody can say."""
    if waiting.until is not None:
        return instant(waiting.until)
    if waiting.until_time is not None:
        return f"records of {record_time(waiting.until_time)}"
    return "that ends" if waiting.reason == "episode" else ABSENT


def record_time(seconds: float) -> str:
    """POSIX seconds of the records' time; the number itself where it is no date."""
    try:
        return instant(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g} s"


def answered(answer: Answer) -> str:
    """What asking has done."""
    request = answer.request
    if answer.is_new:
        budget = ", over the budget if need be" if request.is_over_budget else ""
        return (
            f"An episode of {request.stream} is asked for by {request.actor}{budget}. "
            "The running daemon begins it as soon as nothing holds it back, or the next one that "
            "starts."
        )
    words = f" ({request.reason})" if request.reason else ""
    return (
        f"{request.actor} has asked for an episode of {request.stream} already, at "
        f"{instant(request.asked_at)}{words}; it waits. Nothing was added."
    )
