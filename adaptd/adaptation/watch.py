"""`Watch`: a fresh release against the one it replaced, on the records that follow."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.evidence import EProcess

SCHEMA_VERSION = 1

Verdict = Literal["watching", "worse", "kept"]


class Watch:
    """The trial's test turned round: bets, record after record, that the predecessor is better.

    *worse*: the predecessor beats the release, at alpha; going back is justified. *kept*: it has
    not, within `maximum_records`. That is no proof that the release is better; its trial was.

    The verdict falls at a record, wherever a poll ended: later records do not count. The null is
    that the release is at least as good, given the past, so a release is called worse where it is
    not with a chance of at most alpha, however long it is watched.
    """

    def __init__(self, *, alpha: float, minimum_records: int, maximum_records: int) -> None:
        """alpha: in (0, 1), of this watch alone: a share of its stream's (`share_of`).

        minimum_records: nothing is said before. Raises ValueError for bounds out of order.
        """
        if not 1 <= minimum_records <= maximum_records:
            raise ValueError(
                f"expected 1 <= minimum_records <= maximum_records, "
                f"got {minimum_records} and {maximum_records}"
            )
        self._maximum_records = maximum_records
        self._process = EProcess(alpha, minimum_records=minimum_records)
        self._totals = {"released": 0.0, "predecessor": 0.0}
        self._first_record: int | None = None

    @property
    def records(self) -> int:
        """Records that count."""
        return self._process.records

    @property
    def alpha(self) -> float:
        """Of this watch alone: it takes an e-value of 1 / alpha."""
        return self._process.alpha

    @property
    def log_e_value(self) -> float:
        """The natural log of the evidence for the predecessor, now."""
        return self._process.log_value

    def update(
        self, released: NDArray[Any], predecessor: NDArray[Any], *, first_record: int
    ) -> None:
        """Counts the next records, up to the one at which the verdict falls.

        released, predecessor: [n] scores of both on the same records in stream order, in [0, 1]
        (or bool). first_record: number of the first of them.
        Raises ValueError if the lengths differ or a score lies outside.
        """
        passes_at = self._process.passes_at(predecessor, released)
        if self.verdict() != "watching" or not len(released):
            return
        if self._first_record is None:
            self._first_record = first_record
        end = self._maximum_records if passes_at is None else min(passes_at, self._maximum_records)
        counted = end - self.records
        for name, scores in (("released", released), ("predecessor", predecessor)):
            # A running sum, since sums cut in two differ in their last bits.
            total = np.cumsum([self._totals[name], *scores[:counted]], dtype=np.float64)
            self._totals[name] = float(total[-1])
        self._process.update(predecessor[:counted], released[:counted])

    def verdict(self) -> Verdict:
        """What can be said; once it is not "watching" it stays."""
        if self._process.is_passed:
            return "worse"
        return "watching" if self.records < self._maximum_records else "kept"

    def evidence(self) -> dict[str, Any]:
        """What a decision to go back rests on, as JSON values.

        accuracy: mean scores over the records that count. log_e_value: the largest there was; its
        exponential is one over the chance of as much where the release is not worse.
        """
        return {
            "records": self.records,
            "first_record": self._first_record,
            "accuracy": {
                name: total / self.records if self.records else None
                for name, total in self._totals.items()
            },
            "log_e_value": self._process.maximum_log_value,
            "records_as_one": self._process.records_as_one,
            "alpha": self._process.alpha,
            "minimum_records": self._process.minimum_records,
            "maximum_records": self._maximum_records,
            "verdict": self.verdict(),
        }

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "schema_version": SCHEMA_VERSION,
            "maximum_records": self._maximum_records,
            "process": self._process.state(),
            "totals": dict(self._totals),
            "first_record": self._first_record,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> "Watch":
        """The watch where `state` was taken. Raises ValueError for another version's."""
        if state.get("schema_version") != SCHEMA_VERSION:
            raise ValueError(
                f"watch state schema_version must be {SCHEMA_VERSION}, "
                f"got {state.get('schema_version')!r}"
            )
        process = EProcess.restore(state["process"])
        watch = cls(
            alpha=process.alpha,
            minimum_records=process.minimum_records,
            maximum_records=int(state["maximum_records"]),
        )
        watch._process = process
        watch._totals = {name: float(total) for name, total in state["totals"].items()}
        watch._first_record = state["first_record"]
        return watch
