"""`SkipPenalty`: skips cost something."""

import torch
from torch import Tensor
from torch.nn import functional

from adaptd.search.guard import Guard, SearchView
from adaptd.search.guards.skips import skip_places
from adaptd.space import Supernet

# Of a group that is all skip, in units of the loss. On six groups and some thirty steps of the
# alphas 0.1 nats left no skip anywhere, this one left some that were far ahead.
_WEIGHT = 0.02


class SkipPenalty(Guard):
    """weight * sum over groups of the softmax share of their skips, added to the alphas' loss.

    weight: in units of the loss. A group is penalised once, however many edges it has. Raises
    ValueError for a negative one.
    """

    name = "skip-penalty"
    summary = "the share of skips costs something in the loss that moves alphas"

    def __init__(self, weight: float = _WEIGHT) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"the weight of a penalty must be at least 0, got {weight}")
        self.weight = weight

    def start(self, view: SearchView) -> None:
        shares = _shares(view.supernet)
        self.figures = {"groups": len(shares), "first_share": _mean(shares), "last_share": None}

    def penalty(self, supernet: Supernet) -> Tensor | None:
        shares = _shares(supernet)
        if not shares:
            return None
        return self.weight * torch.stack(shares).sum()

    def after_step(self, view: SearchView) -> str | None:
        if view.moved_alphas:
            shares = _shares(view.supernet)
            self.acted = self.acted or (bool(shares) and self.weight > 0)
            self.figures["last_share"] = _mean(shares)
        return None


def _shares(supernet: Supernet) -> list[Tensor]:
    """Of each group that has skips among its candidates, their summed weight, a scalar."""
    shares = []
    groups = supernet.reopening.group_names
    for group, alpha in zip(groups, supernet.architecture_parameters(), strict=True):
        places = skip_places(supernet.reopening.operations(group))
        if places:
            shares.append(functional.softmax(alpha, 0)[list(places)].sum())
    return shares


def _mean(shares: list[Tensor]) -> float | None:
    return round(float(torch.stack(shares).detach().mean()), 6) if shares else None
