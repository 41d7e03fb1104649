"""Architectures that a race is run among: generic morphs, named without the drift in mind."""

from collections.abc import Iterable, Iterator

from adaptd.architecture import Architecture
from adaptd.search.caps import within
from adaptd.search.problem import Problem
from adaptd.space import LinearOperation, parse_operation

# More share a race's few steps out too thinly: a race of eight picked worse than one of three.
MOST_ARMS = 8


def generic_arms(problem: Problem) -> tuple[Architecture, ...]:
    """The incumbent; each candidate, grown to the cap, on all open edges; then on each group alone.

    At most eight, all within the cap, each once, in this order.
    """
    arms: dict[str, Architecture] = {}
    for arm in _proposed(problem):
        if within(problem.caps, arm):
            arms.setdefault(arm.digest, arm)
        if len(arms) == MOST_ARMS:
            break
    return tuple(arms.values())


def longest(problem: Problem, operation: str, groups: Iterable[str]) -> Architecture | None:
    """The operation on the edges of these groups, with as many taps as the cap allows.

    None where it does not fit an edge or the cap. No kernel reaches beyond half of its axis.
    """
    edges = [edge for group in groups for edge in problem.reopening.edges(group)]
    best: Architecture | None = None
    wanted = parse_operation(operation)
    while all(wanted.fits(problem.edges[edge].site) for edge in edges) and edges:
        arm = problem.architecture.with_operations(dict.fromkeys(edges, str(wanted)))
        if not within(problem.caps, arm):
            break
        best = arm
        larger = wanted.grown() if isinstance(wanted, LinearOperation) else None
        if larger is None or any(
            problem.costs.reach(edge, str(larger))
            > min(problem.costs.shapes[edge][1:], default=0) // 2
            for edge in edges
        ):
            break
        wanted = larger
    return best


def _proposed(problem: Problem) -> Iterator[Architecture]:
    yield problem.architecture
    groups = problem.reopening.group_names
    alone = [(group,) for group in groups] if len(groups) > 1 else []
    for chosen in (groups, *alone):
        for operation in _by_dilation(problem, chosen):
            arm = longest(problem, operation, chosen)
            if arm is not None:
                yield arm


def _by_dilation(problem: Problem, groups: Iterable[str]) -> list[str]:
    """Of the candidates that grow into one another only the shortest, all others as they are."""
    shortest: dict[str, str] = {}
    taps: dict[str, int] = {}
    for group in groups:
        edge = problem.reopening.edges(group)[0]
        for text in problem.reopening.operations(group):
            operation = parse_operation(text)
            family, count = text, 0
            if isinstance(operation, LinearOperation) and operation.grown() is not None:
                lattice = operation.lattice(problem.edges[edge].site)
                family, count = f"{operation.name} {lattice.dilation}", lattice.count
            if family not in taps or count < taps[family]:
                shortest[family], taps[family] = text, count
    return list(dict.fromkeys(shortest.values()))
