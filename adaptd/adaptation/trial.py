"""`Trial`: the challenger against what needs no new architecture, on live records."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.evidence import EProcess
from adaptd.adaptation.job import FINE_TUNED, REOPENED, RETRAINED, SHRUNK

# Of the state; 1 had no evidence against the deployed model, 2 none against the shrunk weights, 3
# hits only.
SCHEMA_VERSION = 4

# The champion as it is. No job trains it, so it is a member of the trial only.
DEPLOYED = "deployed"

Verdict = Literal["running", "better", "not-better", "inconclusive"]

CHALLENGER = REOPENED
RIVALS = (FINE_TUNED, RETRAINED, SHRUNK, DEPLOYED)

# The log of the largest e-value that is written out: JSON has no infinity.
LARGEST_LOG_VALUE = 690.0


class Trial:
    """Adds up scores of frozen models on the same records until it can say which is better.

    A score says how good one prediction was, in [0, 1]: right or wrong where there are classes;
    where there are numbers, one that falls with the error, such as that of
    `adaptd.search.task.REGRESSION`.

    *better*: the challenger beats the best of its rivals: all remedies that only change weights,
    and the deployed model, since a release must not be worse than what is there. Which of them is
    best may change, so it has to pass against each, at alpha; the chance of passing against all is
    no larger than against one that is at least as good. Said after `minimum_records`, never before.
    *not-better*: one of the rivals beats the challenger, at not_better_alpha over the number of
    rivals each.
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
        not_better_alpha: float | None = None,
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
        self._totals = dict.fromkeys(names, 0.0)
        self._for = {rival: EProcess(alpha, minimum_records=minimum_records) for rival in RIVALS}
        against = alpha if not_better_alpha is None else not_better_alpha
        self._against = {rival: EProcess(against / len(RIVALS)) for rival in RIVALS}
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
        not_better_alpha: float | None = None,
    ) -> "Trial":
        """A trial with nothing counted yet.

        names: the members, all of them frozen before the first record that will count.
        alpha: bound on the chance of "better" where the challenger is not, in (0, 1).
        not_better_alpha: the same of "not-better" where no rival is better; None: alpha.
        Raises ValueError if the challenger or a rival is not a member, or for bounds out of order.
        """
        return cls(
            names,
            alpha=alpha,
            minimum_records=minimum_records,
            maximum_records=maximum_records,
            not_better_alpha=not_better_alpha,
        )

    @property
    def records(self) -> int:
        """Records that count."""
        return self._records

    @property
    def alpha(self) -> float:
        """Bound on the chance of "better" where the challenger is not."""
        return self._alpha

    @property
    def names(self) -> tuple[str, ...]:
        """The members, in the order in which they were given."""
        return tuple(self._totals)

    def update(self, scores: Mapping[str, NDArray[Any]], *, first_record: int) -> None:
        """Counts the next records, up to the one at which the verdict falls.

        scores: for each member [n], of the same n records in stream order, in [0, 1] (or bool:
        whether it was right).
        first_record: number of the first of them.
        Raises ValueError if members or lengths differ, or a score lies outside.
        """
        if scores.keys() != self._totals.keys():
            raise ValueError(f"expected scores of {list(self._totals)}, got {list(scores)}")
        for name, column in scores.items():
            # Said this way round, NaN is outside too.
            if not ((column >= 0) & (column <= 1)).all():
                raise ValueError(f"scores must be in [0, 1], got others of {name!r}")
        lengths = {len(column) for column in scores.values()}
        if len(lengths) != 1:
            raise ValueError(f"members must be scored on the same records, got {sorted(lengths)}")
        offered = lengths.pop()
        if self._verdict != "running" or not offered:
            return
        if self._first_record is None:
            self._first_record = first_record
        decided_at, verdict = self._decision(scores)
        counted = min(offered, decided_at - self._records)
        for name, column in scores.items():
            # A running sum, since sums cut in two differ in their last bits.
            total = np.cumsum([self._totals[name], *column[:counted]], dtype=np.float64)
            self._totals[name] = float(total[-1])
        challenger = scores[CHALLENGER][:counted]
        for rival in RIVALS:
            self._for[rival].update(challenger, scores[rival][:counted])
            self._against[rival].update(scores[rival][:counted], challenger)
        self._records += counted
        if self._records == decided_at:
            self._verdict = verdict

    def verdict(self) -> Verdict:
        """What can be said; once it is not "running" it stays."""
        return self._verdict

    def accuracy(self, name: str) -> float | None:
        """The member's mean score over the records that count, for hits their fraction; None before
        the first one.

        Raises KeyError for a name that is no member.
        """
        total = self._totals[name]
        return total / self._records if self._records else None

    def log_e_values(self) -> dict[str, float]:
        """The natural log of the evidence for the challenger against each rival, now."""
        return {rival: process.log_value for rival, process in self._for.items()}

    def evidence(self) -> dict[str, Any]:
        """What a proposal rests on, as JSON values: part of its document.

        e_value: the largest reached against each rival (at most e ** 690); 1 / e_value bounds the
        chance of as much by luck. records_as_one: so many consecutive records counted as one.
        """
        return {
            "records": self._records,
            "first_record": self._first_record,
            "accuracy": {name: self.accuracy(name) for name in self._totals},
            "e_value": {
                rival: math.exp(min(process.maximum_log_value, LARGEST_LOG_VALUE))
                for rival, process in self._for.items()
            },
            "records_as_one": {
                rival: process.records_as_one for rival, process in self._for.items()
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
            "totals": [[name, total] for name, total in self._totals.items()],
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
            [name for name, _ in state["totals"]],
            alpha=state["alpha"],
            minimum_records=state["minimum_records"],
            maximum_records=state["maximum_records"],
        )
        trial._totals = {name: float(total) for name, total in state["totals"]}
        trial._for = {rival: EProcess.restore(state["for"][rival]) for rival in RIVALS}
        trial._against = {rival: EProcess.restore(state["against"][rival]) for rival in RIVALS}
        trial._records = int(state["records"])
        trial._first_record = state["first_record"]
        trial._verdict = state["verdict"]
        return trial

    def _decision(self, scores: Mapping[str, NDArray[Any]]) -> tuple[int, Verdict]:
        """The first verdict once these are counted: after how many records in all, and which.

        One that would need more records than there are is not true yet; it merely comes first.
        """
        challenger = scores[CHALLENGER]
        wins = [self._for[rival].passes_at(challenger, scores[rival]) for rival in RIVALS]
        losses = [self._against[rival].passes_at(scores[rival], challenger) for rival in RIVALS]
        # In the order that settles a tie.
        verdicts: list[tuple[int, Verdict]] = [
            (at, "not-better") for at in losses if at is not None
        ]
        if None not in wins:
            better_at = max(self._minimum_records, *(at for at in wins if at is not None))
            verdicts.append((better_at, "better"))
        verdicts.append((self._maximum_records, "inconclusive"))
        return min(verdicts, key=lambda verdict: verdict[0])
