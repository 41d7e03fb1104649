"""`Claim`: that one model is better than each of some others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from adaptd.adaptation.evidence import EProcess


@dataclass(frozen=True)
class Outlook:
    """When a claim is settled, in records counted: by evidence for it against every rival, by
    evidence of one rival against it; None where that does not happen yet."""

    shown_at: int | None
    beaten_at: int | None

    @property
    def is_shown_first(self) -> bool:
        """Whether it is shown before it is beaten: what was beaten is not shown any more."""
        return self.shown_at is not None and (
            self.beaten_at is None or self.shown_at < self.beaten_at
        )


class Claim:
    """Evidence for a candidate against each of its rivals, and of each of them against it.

    Since the candidate has to pass against each, at alpha, the chance of passing against all where
    one is at least as good is no larger than alpha (an intersection-union test, Berger 1982).
    against_alpha: bound on the chance that one of the rivals beats it where none is better; shared
    between them. minimum_records: nothing is shown before, neither way: how far records resemble
    each other is not known at once.
    """

    def __init__(
        self,
        candidate: str,
        rivals: Sequence[str],
        *,
        alpha: float,
        against_alpha: float,
        minimum_records: int,
    ) -> None:
        self.candidate = candidate
        self.alpha = alpha
        self.evidence_for = {
            rival: EProcess(alpha, minimum_records=minimum_records) for rival in rivals
        }
        self._against = {
            rival: EProcess(against_alpha / len(rivals), minimum_records=minimum_records)
            for rival in rivals
        }

    @property
    def is_shown(self) -> bool:
        """Whether it has passed against every rival."""
        return all(process.is_passed for process in self.evidence_for.values())

    def update(self, scores: Mapping[str, NDArray[Any]]) -> None:
        """Counts the next records. scores: member -> [n], of the same records in stream order."""
        own = scores[self.candidate]
        for rival, process in self.evidence_for.items():
            process.update(own, scores[rival])
            self._against[rival].update(scores[rival], own)

    def outlook(self, scores: Mapping[str, NDArray[Any]]) -> Outlook:
        """What an `update` with these records would lead to; counts nothing."""
        own = scores[self.candidate]
        shown = [
            process.passes_at(own, scores[rival]) for rival, process in self.evidence_for.items()
        ]
        beaten = [process.passes_at(scores[rival], own) for rival, process in self._against.items()]
        return Outlook(
            shown_at=None if None in shown else max(at for at in shown if at is not None),
            beaten_at=min((at for at in beaten if at is not None), default=None),
        )

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "for": {rival: process.state() for rival, process in self.evidence_for.items()},
            "against": {rival: process.state() for rival, process in self._against.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken, of a claim between the same."""
        self.evidence_for = {
            rival: EProcess.restore(state["for"][rival]) for rival in self.evidence_for
        }
        self._against = {
            rival: EProcess.restore(state["against"][rival]) for rival in self._against
        }
