"""`FigureSignal`: a signal that is a vector of figures of each block."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.betting import Bets
from adaptd.drift.block import SignalBlock
from adaptd.drift.deviation import Deviation


class Figures(Protocol):
    """Turns a block into figures float64 [d], always of the same d."""

    name: str

    def can_read(self, block: SignalBlock) -> bool: ...
    def fit(self, training: Sequence[SignalBlock]) -> None: ...
    def of(self, block: SignalBlock) -> NDArray[np.float64]: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


class FigureSignal:
    """Scores a block by how far its figures lie from those of the training blocks."""

    is_per_record = is_event = False

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._deviation: Deviation | None = None

    @property
    def name(self) -> str:
        return self._figures.name

    @property
    def family(self) -> str:
        return self._figures.name

    def can_read(self, block: SignalBlock) -> bool:
        return self._figures.can_read(block)

    def fit(self, training: Sequence[SignalBlock]) -> Bets:
        self._figures.fit(training)
        self._deviation = Deviation(np.array([self._figures.of(block) for block in training]))
        return Bets.general()

    def scores(self, block: SignalBlock) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        assert self._deviation is not None, "fit comes first"
        score = self._deviation.score(self._figures.of(block))
        return np.array([score]), np.array([block.first_record])

    def state(self) -> dict[str, Any]:
        assert self._deviation is not None, "fit comes first"
        return {"figures": self._figures.state(), "deviation": self._deviation.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._figures.restore(state["figures"])
        self._deviation = Deviation.restored(state["deviation"])
