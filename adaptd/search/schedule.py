"""How a search spends its steps."""

from dataclasses import dataclass

# Below it a phase would be empty.
_FEWEST_STEPS = 20


@dataclass(frozen=True)
class Split:
    """Steps of each phase; the three sum to what was given."""

    search: int
    fold: int
    plain: int

    @property
    def total(self) -> int:
        return self.search + self.fold + self.plain

    def without_fold(self) -> "Split":
        """The same with an abrupt fold."""
        return Split(self.search, 0, self.fold + self.plain)


@dataclass(frozen=True)
class FoldBack:
    """A share of the steps searches; then the supernet itself becomes the plain network.

    search: share that ranks operations: the plain network, whose weights are what is released,
    gets most of the others. fold: share over which what the fold leaves out fades, so that the
    function does not jump; 0 for an abrupt fold.
    """

    search: float = 0.25
    fold: float = 0.1

    def split(self, steps: int) -> Split:
        """Raises ValueError for fewer than 20 steps."""
        return _split(steps, self.search, self.fold)


@dataclass(frozen=True)
class Retrain:
    """A share of the steps searches; then what was chosen is trained anew from nothing.

    Source: Liu et al. 2019, "DARTS".
    """

    search: float = 0.5

    def split(self, steps: int) -> Split:
        """Raises ValueError for fewer than 20 steps."""
        return _split(steps, self.search, 0.0)


def _split(steps: int, search_share: float, fold_share: float) -> Split:
    if steps < _FEWEST_STEPS:
        raise ValueError(f"a reopening needs at least {_FEWEST_STEPS} steps, got {steps}")
    search, fold = round(search_share * steps), round(fold_share * steps)
    return Split(search, fold, steps - search - fold)
