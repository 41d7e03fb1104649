"""`Trial`: the challenger against what needs no new architecture, on live records."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.evidence import EProcess
from adaptd.adaptation.job import FINE_TUNED, REOPENED, RETRAINED, SHRUNK

# Of the state; 1 had no evidence against the deployed model, 2 none against the shrunk weights.
SCHEMA_VERSION = 3

# The champion as it is. No job trains it, so it is a member of the trial only.
DEPLOYED = "deployed"

Verdict = Literal["running", "better", "not-better", "inconclusive"]

CHALLENGER = REOPENED
RIVALS = (FINE_TUNED, RETRAINED, SHRUNK, DEPLOYED)

# The log of the largest e-value that is written out: JSON has no infinity.
LARGEST_LOG_VALUE = 690.0


class Trial:
    """Counts the hits of frozen models on the same records until it can say which is better.

    *better*: the challenger beats the best of its rivals: all remedies that only change weights,
    and the deployed model, since a release must not be worse than what is there. Which of them is
    best may change, so it has to pass against each, at alpha; the chance of passing against all is
    no larger than against one that is at least as good. Said after `minimum_records`, never before.
    *not-better*: one of the rivals beats the challenger, at alpha over the number of rivals each.
    *inconclusive*: neither, after `maximum_records`.

    The verdict falls at a record, wherever a poll ended: later records, also of the same batch, do
    not count. Every other member is there to be seen beside them.
    """

    def __init__(
        self,
        names: Collection[str],
        *,
        alpha: float,
        minimum_records: int,
        maximum_records: int,
    ) -> None:
        absent = {CHALLENGER, *RIVALS} - set(names)
        if absent:
            raise ValueError(f"a trial needs {sorted(absent)} too, got {list(names)}")
        if not 1 <= minimum_records <= maximum_records:
            raise ValueError(
                f"expected 1 <= minimum_records <= maximum_records, "
                f"got {minimum_records} and {maximum_records}"
            )
        self._minimum_records = minimum_records
        self._maximum_records = maximum_records
        self._alpha = alpha
        self._hits = dict.fromkeys(names, 0)
        self._for = {rival: EProcess(alpha) for rival in RIVALS}
        self._against = {rival: EProcess(alpha / len(RIVALS)) for rival in RIVALS}
        self._records = 0
        self._first_record: int | None = None
        self._verdict: Verdict = "running"

    @classmethod
    def start(
        cls,
        names: Collection[str],
        *,
        alpha: float,
        minimum_records: int,
        maximum_records: int,
    ) -> "Trial":
        """A trial with nothing counted yet.

        names: the members, all of them frozen before the first record that will count.
        alpha: bound on the chance of "better" where the challenger is not, in (0, 1).
        Raises ValueError if the challenger or a rival is not a member, or for bounds out of order.
        """
        return cls(
            names, alpha=alpha, minimum_records=minimum_records, maximum_records=maximum_records
        )

    @property
    def records(self) -> int:
        """Records that count."""
        return self._records

    @property
    def names(self) -> tuple[str, ...]:
        """The members, in the order in which they were given."""
        return tuple(self._hits)

    def update(self, hits: Mapping[str, NDArray[np.bool_]], *, first_record: int) -> None:
        """Counts the next records, up to the one at which the verdict falls.

        hits: for each member bool [n], the same n records in stream order.
        first_record: number of the first of them.
        Raises ValueError if members or lengths differ.
        """
        if hits.keys() != self._hits.keys():
            raise ValueError(f"expected hits of {list(self._hits)}, got {list(hits)}")
        lengths = {len(column) for column in hits.values()}
        if len(lengths) != 1:
            raise ValueError(f"members must be scored on the same records, got {sorted(lengths)}")
        offered = lengths.pop()
        if self._verdict != "running" or not offered:
            return
        if self._first_record is None:
            self._first_record = first_record
        decided_at, verdict = self._decision(hits)
        counted = min(offered, decided_at - self._records)
        for name, column in hits.items():
            self._hits[name] += int(np.count_nonzero(column[:counted]))
        challenger = hits[CHALLENGER][:counted]
        for rival in RIVALS:
            self._for[rival].update(challenger, hits[rival][:counted])
            self._against[rival].update(hits[rival][:counted], challenger)
        self._records += counted
        if self._records == decided_at:
            self._verdict = verdict

    def verdict(self) -> Verdict:
        """What can be said; once it is not "running" it stays."""
        return self._verdict

    def accuracy(self, name: str) -> float | None:
        """The member's fraction of hits over the records that count; None before the first one.

        Raises KeyError for a name that is no member.
        """
        hits = self._hits[name]
        return hits / self._records if self._records else None

    def log_e_values(self) -> dict[str, float]:
        """The natural log of the evidence for the challenger against each rival, now."""
        return {rival: process.log_value for rival, process in self._for.items()}

    def evidence(self) -> dict[str, Any]:
        """What a proposal rests on, as JSON values: part of its document.

        e_value: the largest reached against each rival (at most e ** 690); 1 / e_value bounds the
        chance of as much by luck.
        """
        return {
            "records": self._records,
            "first_record": self._first_record,
            "accuracy": {name: self.accuracy(name) for name in self._hits},
            "e_value": {
                rival: math.exp(min(process.maximum_log_value, LARGEST_LOG_VALUE))
                for rival, process in self._for.items()
            },
            "alpha": self._alpha,
            "verdict": self._verdict,
        }

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "schema_version": SCHEMA_VERSION,
            "alpha": self._alpha,
            "minimum_records": self._minimum_records,
            "maximum_records": self._maximum_records,
            "records": self._records,
            "first_record": self._first_record,
            # Pairs, since a store may sort an object's keys and the order of the members is shown.
            "hits": [[name, hits] for name, hits in self._hits.items()],
            "for": {rival: process.state() for rival, process in self._for.items()},
            "against": {rival: process.state() for rival, process in self._against.items()},
            "verdict": self._verdict,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "Trial":
        """The trial where `state` was taken. Raises ValueError for another version's."""
        if state.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"trial state schema_version must be {SCHEMA_VERSION}, "
                f"got {state.get('schema_version')!r}"
            )
        trial = cls(
            [name for name, _ in state["hits"]],
            alpha=state["alpha"],
            minimum_records=state["minimum_records"],
            maximum_records=state["maximum_records"],
        )
        trial._hits = {name: int(hits) for name, hits in state["hits"]}
        trial._for = {rival: EProcess.restore(state["for"][rival]) for rival in RIVALS}
        trial._against = {rival: EProcess.restore(state["against"][rival]) for rival in RIVALS}
        trial._records = int(state["records"])
        trial._first_record = state["first_record"]
        trial._verdict = state["verdict"]
        return trial

    def _decision(self, hits: Mapping[str, NDArray[np.bool_]]) -> tuple[int, Verdict]:
        """The first verdict once these are counted: after how many records in all, and which.

        One that would need more records than there are is not true yet; it merely comes first.
        """
        challenger = hits[CHALLENGER]
        wins = [self._for[rival].passes_at(challenger, hits[rival]) for rival in RIVALS]
        losses = [self._against[rival].passes_at(hits[rival], challenger) for rival in RIVALS]
        # In the order that settles a tie.
        verdicts: list[tuple[int, Verdict]] = [
            (at, "not-better") for at in losses if at is not None
        ]
        if None not in wins:
            better_at = max(self._minimum_records, *(at for at in wins if at is not None))
            verdicts.append((better_at, "better"))
        verdicts.append((self._maximum_records, "inconclusive"))
        return min(verdicts, key=lambda verdict: verdict[0])
