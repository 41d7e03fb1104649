"""`Trial`: what an episode has trained against what is deployed, on live records."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.claim import Claim, Outlook
from adaptd.adaptation.job import (
    FINE_TUNED,
    PRIOR_CORRECTED,
    RECALIBRATED,
    REOPENED,
    RETRAINED,
    SHRUNK,
    WIDER,
)

# Of the state; 1 had no evidence against the deployed model, 2 none against the shrunk weights, 3
# hits only, 4 none for remedies that keep the architecture.
SCHEMA_VERSION = 5

# The champion as it is. No job trains it, so it is a member of the trial only.
DEPLOYED = "deployed"

Verdict = Literal["running", "better", "not-better", "inconclusive", "short"]

# What changes the architecture, the cheapest first: the dearest of them that is there is the
# challenger.
CHALLENGERS = (REOPENED, WIDER)
# What keeps it, the cheapest first.
WEIGHTS_ONLY = (PRIOR_CORRECTED, RECALIBRATED, FINE_TUNED, SHRUNK, RETRAINED)

# Once the challenger is out, or no better than what could be released now, the others are not
# shadowed for as long as a small gain would take: so many times the minimum of records.
FALLBACK_MINIMA = 4

# The log of the largest e-value that is written out: JSON has no infinity.
LARGEST_LOG_VALUE = 690.0


class Trial:
    """Adds up scores of frozen models on the same records until it can say which is better.

    A score says how good one prediction was, in [0, 1]: right or wrong where there are classes;
    where there are numbers, one that falls with the error, such as that of
    `adaptd.search.task.REGRESSION`.

    The *challenger*, if there is one, claims to be better than each of its rivals: all remedies
    that only change weights, a cheaper new architecture, and the deployed model, since it has to be
    worth its price. Each of those remedies claims to be better than the deployed model. The
    challenger's claim may be wrong with a chance of alpha / 2, all the others' together likewise;
    without a challenger they share all of alpha.

    *better*: the challenger has shown its claim, after `minimum_records` and never before; or one
    of its rivals has beaten it (at not_better_alpha over their number each), or it could show
    nothing within `maximum_records`, or after four times the minimum it is not even ahead, and
    another remedy has shown its own: then the most accurate of those that have is the `winner`.
    What is deployed may be far worse than either, and waits for no small difference.
    *not-better*: the challenger is beaten, and so are all others, or none of them has shown
    anything within four times the minimum. *inconclusive*: nothing either way. *short*: without a
    challenger, and with a score that would be good enough: at the minimum of records nobody reaches
    it, so that it takes a challenger.

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
        good_enough: float | None = None,
        remedies: Collection[str] = WEIGHTS_ONLY,
    ) -> None:
        known, remedies = list(remedies), [name for name in remedies if name in names]
        if DEPLOYED not in names or not remedies:
            raise ValueError(
                f"a trial needs {DEPLOYED!r} and one of {known} at least, got {list(names)}"
            )
        if not 1 <= minimum_records <= maximum_records:
            raise ValueError(
                f"expected 1 <= minimum_records <= maximum_records, "
                f"got {minimum_records} and {maximum_records}"
            )
        challengers = [name for name in CHALLENGERS if name in names]
        self._challenger = challengers[-1] if challengers else None
        self._cheaper = challengers[:-1]
        self._good_enough = good_enough if self._challenger is None else None
        self._minimum_records = minimum_records
        self._maximum_records = maximum_records
        self._alpha = alpha
        against = alpha if not_better_alpha is None else not_better_alpha
        share = alpha if self._challenger is None else alpha / 2
        self._claims = {
            remedy: Claim(
                remedy,
                (DEPLOYED,),
                alpha=share / len(remedies),
                against_alpha=against,
                minimum_records=minimum_records,
            )
            for remedy in remedies
        }
        if self._challenger is not None:
            self._claims[self._challenger] = Claim(
                self._challenger,
                (*remedies, *self._cheaper, DEPLOYED),
                alpha=share,
                against_alpha=against,
                minimum_records=minimum_records,
            )
        self._totals = dict.fromkeys(names, 0.0)
        self._records = 0
        self._first_record: int | None = None
        self._verdict: Verdict = "running"
        self._winner: str | None = None

    @classmethod
    def start(
        cls,
        names: Collection[str],
        *,
        alpha: float,
        minimum_records: int,
        maximum_records: int,
        not_better_alpha: float | None = None,
        good_enough: float | None = None,
        remedies: Collection[str] = WEIGHTS_ONLY,
    ) -> "Trial":
        """A trial with nothing counted yet.

        names: the members, all of them frozen before the first record that will count.
        alpha: bound on the chance of "better" with a winner whose claim is wrong, in (0, 1).
        not_better_alpha: the same of a claim that is given up though it is right; None: alpha.
        good_enough: the mean score below which a trial without a challenger is short; None: none.
        remedies: members that claim to be better than the deployed model, the cheapest first.
        Raises ValueError without the deployed model or a remedy, or for bounds out of order.
        """
        return cls(
            names,
            alpha=alpha,
            minimum_records=minimum_records,
            maximum_records=maximum_records,
            not_better_alpha=not_better_alpha,
            good_enough=good_enough,
            remedies=remedies,
        )

    @property
    def records(self) -> int:
        """Records that count."""
        return self._records

    @property
    def alpha(self) -> float:
        """Of the claim that `log_e_values` is about: it is shown at 1 / alpha against each."""
        return self._subject.alpha

    @property
    def names(self) -> tuple[str, ...]:
        """The members, in the order in which they were given."""
        return tuple(self._totals)

    @property
    def winner(self) -> str | None:
        """Who is better, where the verdict says so; of a trial that is short, who has shown at
        least to be better than what is deployed."""
        return self._winner

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
        decided_at, verdict, winner = self._decision(scores)
        counted = min(offered, decided_at - self._records)
        for name, column in scores.items():
            # A running sum, since sums cut in two differ in their last bits.
            total = np.cumsum([self._totals[name], *column[:counted]], dtype=np.float64)
            self._totals[name] = float(total[-1])
        seen = {name: column[:counted] for name, column in scores.items()}
        for claim in self._claims.values():
            claim.update(seen)
        self._records += counted
        if self._records == decided_at:
            self._verdict = verdict
            if verdict in ("better", "short"):
                self._winner = winner or self._most_accurate_shown()

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
        """The natural log of the evidence for the challenger against each rival, now. Without a
        challenger: for the remedy that stands best."""
        return {rival: process.log_value for rival, process in self._subject.evidence_for.items()}

    def evidence(self) -> dict[str, Any]:
        """What a proposal rests on, as JSON values: part of its document.

        challenger: the winner, or who it would have been. winner: None where there is none.
        e_value: the largest that it reached against each rival (at most e ** 690); 1 / e_value
        bounds the chance of as much by luck. records_as_one: so many consecutive records counted
        as one. alpha: of this claim alone: it takes 1 / alpha. trial_alpha: of all claims.
        """
        subject = self._subject
        return {
            "records": self._records,
            "first_record": self._first_record,
            "challenger": subject.candidate,
            "winner": self._winner,
            "accuracy": {name: self.accuracy(name) for name in self._totals},
            "e_value": {
                rival: math.exp(min(process.maximum_log_value, LARGEST_LOG_VALUE))
                for rival, process in subject.evidence_for.items()
            },
            "records_as_one": {
                rival: process.records_as_one for rival, process in subject.evidence_for.items()
            },
            "alpha": subject.alpha,
            "trial_alpha": self._alpha,
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
            "remedies": [name for name in self._claims if name not in CHALLENGERS],
            "claims": {name: claim.state() for name, claim in self._claims.items()},
            "good_enough": self._good_enough,
            "verdict": self._verdict,
            "winner": self._winner,
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
            good_enough=state["good_enough"],
            remedies=state["remedies"],
        )
        trial._totals = {name: float(total) for name, total in state["totals"]}
        for name, claim in trial._claims.items():
            claim.restore(state["claims"][name])
        trial._records = int(state["records"])
        trial._first_record = state["first_record"]
        trial._verdict = state["verdict"]
        trial._winner = state["winner"]
        return trial

    @property
    def _subject(self) -> Claim:
        """Whose evidence is told of."""
        if self._winner is not None:
            return self._claims[self._winner]
        if self._challenger is not None:
            return self._claims[self._challenger]
        return max(self._claims.values(), key=lambda claim: self._totals[claim.candidate])

    def _most_accurate_shown(self) -> str | None:
        shown = [name for name, claim in self._claims.items() if claim.is_shown]
        # The first of equals: the cheapest.
        return max(shown, key=lambda name: self._totals[name], default=None)

    def _is_short(self, scores: Mapping[str, NDArray[Any]]) -> bool:
        """Whether no remedy is good enough at the minimum of records, which lies in these."""
        left = self._minimum_records - self._records
        if self._good_enough is None or not 0 < left <= len(scores[DEPLOYED]):
            return False
        reached = max(
            (self._totals[name] + float(np.sum(scores[name][:left]))) / self._minimum_records
            for name in self._claims
        )
        return reached < self._good_enough

    def _settled_at(
        self,
        outlooks: Mapping[str, Outlook],
        scores: Mapping[str, NDArray[Any]],
        *,
        after: int,
    ) -> int:
        """Records in all, more than which no remedy waits for another: once that which leads has
        shown its claim. A larger lead is not always shown first, and who follows must not win by
        the few records that it is ahead of the proof."""
        offered = len(scores[DEPLOYED])
        last = min(self._maximum_records, FALLBACK_MINIMA * self._minimum_records)
        records = self._records + np.arange(1, offered + 1)
        totals = self._running_totals(outlooks, scores)
        never = records[-1] + 1
        shown_at = np.array(
            [never if one.shown_at is None else one.shown_at for one in outlooks.values()]
        )
        is_settled = (records >= shown_at[totals.argmax(axis=0)]) | (records >= last)
        is_settled &= records >= max(after, self._minimum_records)
        return int(records[is_settled.argmax()]) if is_settled.any() else int(never)

    def _futile_at(
        self, outlooks: Mapping[str, Outlook], scores: Mapping[str, NDArray[Any]]
    ) -> int | None:
        """Records in all, four times the minimum or more, at which the challenger is no better than
        a cheaper architecture, or a remedy that has shown its claim; None where that is not in
        these. To give up a claim releases nothing that has not shown its own."""
        if self._challenger is None:
            return None
        totals = self._running_totals([self._challenger, *self._cheaper, *outlooks], scores)
        records = self._records + 1 + np.arange(totals.shape[1])
        shown_at = np.array(
            [0.0] * len(self._cheaper) + [one.shown_at or np.inf for one in outlooks.values()]
        )
        best = np.where(records >= shown_at[:, None], totals[1:], -np.inf).max(axis=0)
        is_futile = (best >= totals[0]) & (records >= FALLBACK_MINIMA * self._minimum_records)
        return int(records[is_futile.argmax()]) if is_futile.any() else None

    def _running_totals(
        self, names: Collection[str], scores: Mapping[str, NDArray[Any]]
    ) -> NDArray[np.float64]:
        """float64 [names, n]: after each of these records, as `update` adds them up."""
        return np.stack(
            [np.cumsum([self._totals[name], *scores[name]], dtype=np.float64)[1:] for name in names]
        )

    def _decision(self, scores: Mapping[str, NDArray[Any]]) -> tuple[int, Verdict, str | None]:
        """The first verdict once these are counted: after how many records in all, which, and for
        whom; None for the most accurate of the remedies that have shown their claim.

        One that would need more records than there are is not true yet; it merely comes first.
        """
        outlooks = {name: claim.outlook(scores) for name, claim in self._claims.items()}
        challenger = None if self._challenger is None else outlooks.pop(self._challenger)
        shown = [outlook.shown_at for outlook in outlooks.values() if outlook.shown_at is not None]
        beaten = [outlook.beaten_at for outlook in outlooks.values()]
        # In the order that settles a tie.
        verdicts: list[tuple[int, Verdict, str | None]] = []
        if self._is_short(scores):
            verdicts.append((self._minimum_records, "short", None))
        out_at = 0 if challenger is None else challenger.beaten_at
        if out_at is not None:
            if shown:
                settled_at = self._settled_at(outlooks, scores, after=max(out_at, min(shown)))
                verdicts.append((settled_at, "better", None))
            if None not in beaten:
                all_beaten_at = max(at for at in beaten if at is not None)
                verdicts.append((max(out_at, all_beaten_at), "not-better", None))
            if challenger is not None:
                last = min(self._maximum_records, FALLBACK_MINIMA * self._minimum_records)
                verdicts.append((max(out_at, last), "not-better", None))
        futile_at = self._futile_at(outlooks, scores)
        if futile_at is not None:
            is_other_shown = any(at <= futile_at for at in shown)
            verdicts.append((futile_at, "better" if is_other_shown else "not-better", None))
        if challenger is not None and challenger.is_shown_first:
            verdicts.append((challenger.shown_at or 0, "better", self._challenger))
        is_any_shown = any(at <= self._maximum_records for at in shown)
        verdicts.append((self._maximum_records, "better" if is_any_shown else "inconclusive", None))
        return min(verdicts, key=lambda verdict: verdict[0])
