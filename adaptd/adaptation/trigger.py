"""`Trigger`: why an episode begins; `TriggerQueue`: those that wait for theirs."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

SCHEMA_VERSION = 1

Kind = Literal["drift", "manual", "schedule"]

# The order in which waiting triggers are taken: a drift hurts now, and its records are dated.
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Trigger:
    """One reason to adapt.

    kind: `drift`, `manual` or `schedule`. record: number of the latest record when it arose.
    since_record: number of the first record of what is to be learnt: after a drift its estimated
    start, else `record`. detail: the signal of a drift, or a person's words. actor: who asked.
    is_over_budget: whether it may begin though the day's compute is used up.
    """

    kind: Kind
    stream: str
    record: int
    since_record: int
    detail: str = ""
    actor: str = ""
    is_over_budget: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a trigger's kind must be one of {list(KINDS)}, got {self.kind!r}")

    def merged_with(self, later: "Trigger") -> "Trigger":
        """One trigger for both: since the earlier of their starts, otherwise the later one."""
        return replace(
            later,
            since_record=min(self.since_record, later.since_record),
            is_over_budget=self.is_over_budget or later.is_over_budget,
        )

    def to_document(self) -> dict[str, Any]:
        """Plain values, with `schema_version`."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Trigger":
        """The way back. Raises ValueError, with what is wrong, for anything else."""
        if document.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"trigger schema_version must be {SCHEMA_VERSION}, "
                f"got {document.get('schema_version')!r}"
            )
        try:
            return cls(
                kind=document["kind"],
                stream=str(document["stream"]),
                record=int(document["record"]),
                since_record=int(document["since_record"]),
                detail=str(document["detail"]),
                # Not in documents of earlier versions.
                actor=str(document.get("actor", "")),
                is_over_budget=bool(document.get("is_over_budget", False)),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a trigger: {error!r}") from error


class TriggerQueue:
    """Triggers that wait, by stream. Any thread may call any method; none blocks for long.

    At most one of a kind waits for a stream: later ones are merged into it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, Kind], Trigger] = {}

    def put(self, trigger: Trigger) -> bool:
        """Lets a trigger wait. False if one of its kind waits already and the two became one."""
        key = (trigger.stream, trigger.kind)
        with self._lock:
            earlier = self._waiting.get(key)
            self._waiting[key] = trigger if earlier is None else earlier.merged_with(trigger)
            return earlier is None

    def take(self, stream: str, kinds: Iterable[Kind] = KINDS) -> Trigger | None:
        """Removes and returns the stream's first trigger in the order of `kinds`, or None."""
        with self._lock:
            for kind in kinds:
                trigger = self._waiting.pop((stream, kind), None)
                if trigger is not None:
                    return trigger
            return None

    def waiting(self, stream: str) -> list[Trigger]:
        """What `take` would return, one after the other; nothing is removed."""
        with self._lock:
            return [
                self._waiting[stream, kind] for kind in KINDS if (stream, kind) in self._waiting
            ]

    def forget_before(self, stream: str, record: int) -> None:
        """Removes those of the stream that are of what came before that record."""
        with self._lock:
            for kind in KINDS:
                trigger = self._waiting.get((stream, kind))
                if trigger is not None and trigger.since_record < record:
                    del self._waiting[stream, kind]

    def forget_drift(self, stream: str) -> None:
        """Removes the drift that waits for the stream, if one does."""
        with self._lock:
            self._waiting.pop((stream, "drift"), None)

    def forget(self, stream: str) -> None:
        """Removes all that wait for the stream."""
        with self._lock:
            for kind in KINDS:
                self._waiting.pop((stream, kind), None)
