"""`DropPathOnSkips`: skips that are there only now and then."""

from adaptd.search.guard import Guard, SearchView
from adaptd.search.guards.skips import edge_skips

# Chance of a drop in the first step. P-DARTS's are 0 to 0.7, the more the deeper its network.
_RATE = 0.3


class DropPathOnSkips(Guard):
    """A training step does without each skip of each open edge with a chance that falls linearly
    from `rate` to 0 over the search.

    Where it is there, its weight is divided by the chance that it is, so that the mean stays. It
    is drawn once a step and edge, also where the skip is part of a merged kernel; by the
    supernet's own draws, which a checkpoint keeps.
    Raises ValueError for a rate outside [0, 1).
    Source: Chen et al. 2019, "Progressive differentiable architecture search" (P-DARTS), which
    drops single numbers of a skip's outcome.
    """

    name = "drop-path-on-skips"
    summary = "training steps do without skips now and then, ever less so (P-DARTS)"

    def __init__(self, rate: float = _RATE) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"the rate of dropped skips must be in [0, 1), got {rate}")
        self.rate = rate

    def start(self, view: SearchView) -> None:
        edges = sum(bool(edge_skips(mixed)) for mixed in view.supernet.mixed_edges().values())
        self.figures = {"edges": edges, "first_rate": self.rate, "last_rate": None}

    def before_step(self, view: SearchView) -> None:
        rate = self.rate * (1 - view.fraction)
        for mixed in view.supernet.mixed_edges().values():
            mixed.drop_rates = dict.fromkeys(edge_skips(mixed), rate) if rate else {}
            self.acted = self.acted or bool(mixed.drop_rates)
        self.figures["last_rate"] = round(rate, 6)

    def finish(self, view: SearchView) -> None:
        for mixed in view.supernet.mixed_edges().values():
            mixed.drop_rates = {}
