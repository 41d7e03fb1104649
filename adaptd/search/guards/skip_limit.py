"""`SkipLimit`: only so many skips in a cell."""

from collections import Counter
from collections.abc import Sequence

from adaptd.architecture import Architecture
from adaptd.search.candidates import cell_of
from adaptd.search.guard import Guard
from adaptd.search.guards.skips import is_nothing, is_skip, skips_by_cell
from adaptd.search.limit import Limit
from adaptd.search.problem import Problem

# P-DARTS's.
_MOST = 2


class SkipLimit(Guard):
    """No cell of what is chosen has more than `most` skips, those of its closed edges included.

    The choice is the best of all that keep to it, exactly, within the cap. Edges that decide
    together get a skip together or not at all. spares_deployed: whether a cell that is deployed
    with more skips may keep as many: the limit is for those that win a search, not for those that
    have served.
    Raises ValueError for a negative number.
    Source: Chen et al. 2019, P-DARTS, which removes the weakest skips one by one.
    """

    name = "skip-limit"
    summary = f"at most {_MOST} skips in each cell of what is chosen (P-DARTS)"

    def __init__(self, most: int = _MOST, *, spares_deployed: bool = True) -> None:
        super().__init__()
        if most < 0:
            raise ValueError(f"a limit of skips must be at least 0, got {most}")
        self.most = most
        self.spares_deployed = spares_deployed

    def limits(self, problem: Problem) -> Sequence[Limit]:
        operations, groups = problem.architecture.operations, problem.reopening.groups
        deployed = skips_by_cell(operations, operations)
        closed = skips_by_cell(operations, [edge for edge in operations if edge not in groups])
        open_edges: dict[str, dict[str, frozenset[str]]] = {}
        for edge, candidates in problem.reopening.candidates.items():
            if skips := frozenset(filter(is_skip, candidates)):
                open_edges.setdefault(cell_of(edge), {})[edge] = skips
        allowed = {
            cell: max(self.most, deployed[cell] if self.spares_deployed else 0) - closed[cell]
            for cell in open_edges
        }
        return [
            Limit(edges, max(0, allowed[cell]), "skips")
            for cell, edges in open_edges.items()
            # Others hold by themselves.
            if len(edges) > allowed[cell]
        ]

    def after_choice(self, problem: Problem, free: Architecture, chosen: Architecture) -> None:
        edges = problem.architecture.operations
        before, after = (skips_by_cell(one.operations, edges) for one in (free, chosen))
        self.acted = before != after
        self.figures = {
            "most": self.most,
            "skips_without": before.total(),
            "skips_with": after.total(),
            "most_in_a_cell": _largest(after),
            "nothings": sum(is_nothing(text) for text in chosen.operations.values()),
        }


def _largest(counts: Counter[str]) -> int:
    return max(counts.values(), default=0)
