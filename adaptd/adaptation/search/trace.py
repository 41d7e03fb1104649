"""`Trace`: how a search went, thin enough to be drawn and kept."""

from collections.abc import Iterable, Mapping
from typing import Any

from adaptd.adaptation.search.job import SCHEMA_VERSION, Arm, SearchMoment

# Points over the whole search. A quarter of them, while alphas move, are drawn.
_POINTS = 400
# Digits of a weight that are kept: a picture shows three.
_DIGITS = 5


class Trace:
    """Moments at even distances of steps, and the last one of each phase.

    The same moments give the same trace, also when they are given in two goes: `state` of the one
    is what the next one begins with.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._points: list[dict[str, Any]] = [] if state is None else list(state["points"])
        self._last: dict[str, Any] | None = None if state is None else state["last"]

    @property
    def state(self) -> dict[str, Any]:
        """Plain values."""
        return {"points": self._points, "last": self._last}

    def add(self, moment: SearchMoment) -> None:
        """Keeps the moment if it is due."""
        last, self._last = self._last, _point(moment)
        if last is not None and last["phase"] != moment.phase:
            self._keep(last)
        stride = max(1, moment.steps // _POINTS)
        if moment.step % stride == 0 or moment.step == moment.steps:
            self._keep(self._last)

    def to_document(self, judgements: Iterable[Arm]) -> dict[str, Any]:
        """judgements: of all arms, in order; none for a supernet."""
        return {
            "schema_version": SCHEMA_VERSION,
            "points": self._points,
            "judgements": [
                {"arm": arm.digest, "name": arm.name, "steps": arm.steps, "loss": arm.loss}
                for arm in judgements
            ],
        }

    def _keep(self, point: dict[str, Any]) -> None:
        if not self._points or self._points[-1]["step"] < point["step"]:
            self._points.append(point)


def _point(moment: SearchMoment) -> dict[str, Any]:
    return {
        "phase": moment.phase,
        "step": moment.step,
        "loss": moment.loss,
        # Later they stand still.
        "alphas": {
            group: {operation: round(weight, _DIGITS) for operation, weight in weights.items()}
            for group, weights in moment.alphas.items()
            if moment.phase == "search"
        },
    }
