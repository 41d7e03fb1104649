"""The best combination of operations that a budget of multiply-accumulates allows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adaptd.architecture import Architecture
from adaptd.space import EdgeCosts, Reopening, parse_operation


@dataclass(frozen=True)
class Option:
    """One operation for one group: what it scores (larger is better) and what it costs."""

    operation: str
    score: float
    macs: int


def best_within(options: Mapping[str, Sequence[Option]], cap: int) -> dict[str, str] | None:
    """Group -> operation, of the largest summed score among all combinations within the cap.

    Exact: of the partial combinations only those are dropped that another one beats in both score
    and cost. Of equal scores the cheaper wins. None where no combination fits.
    """
    front: list[tuple[int, float, tuple[str, ...]]] = [(0, 0.0, ())]
    for of_group in options.values():
        extended = sorted(
            (
                (macs + option.macs, score + option.score, (*chosen, option.operation))
                for macs, score, chosen in front
                for option in of_group
                if macs + option.macs <= cap
            ),
            key=lambda partial: (partial[0], -partial[1]),
        )
        front, best = [], -math.inf
        for partial in extended:
            if partial[1] > best:
                front.append(partial)
                best = partial[1]
    return dict(zip(options, front[-1][2], strict=True)) if front else None


def choose(
    architecture: Architecture,
    reopening: Reopening,
    alphas: Mapping[str, Mapping[str, float]],
    costs: EdgeCosts,
    *,
    macs_cap: int,
) -> Architecture:
    """The architecture with the largest product of alphas over its edges, within the cap.

    alphas: group -> operation -> weight in (0, 1]. Raises ValueError if not even the cheapest one
    fits.
    """
    options = {
        group: [
            Option(
                operation,
                len(reopening.edges(group)) * math.log(max(alphas[group][operation], 1e-30)),
                sum(costs.on(edge, operation) for edge in reopening.edges(group)),
            )
            for operation in reopening.operations(group)
        ]
        for group in reopening.group_names
    }
    closed = sum(
        costs.on(edge, operation)
        for edge, operation in architecture.operations.items()
        if edge not in reopening.groups
    )
    chosen = best_within(options, macs_cap - costs.fixed - closed)
    if chosen is None:
        raise ValueError(
            f"no combination of candidates stays within {macs_cap} multiply-accumulates; "
            f"the deployed architecture takes {costs.total(architecture)}"
        )
    return architecture.with_operations(
        {edge: chosen[group] for edge, group in reopening.groups.items()}
    )


def grow(
    chosen: Architecture,
    deployed: Architecture,
    reopening: Reopening,
    costs: EdgeCosts,
    *,
    macs_cap: int,
) -> Architecture:
    """Spends what is left of the cap on more taps, at the dilation chosen, group by group.

    Only where the choice already reaches further than what was deployed: there the search asked for
    reach. No kernel reaches beyond half of its sequence.
    """
    for group in reopening.group_names:
        edges = reopening.edges(group)
        deployed_reach = max(parse_operation(deployed.operations[edge]).reach for edge in edges)
        longest = min(costs.shapes[edge].length for edge in edges) // 2
        while True:
            operation = parse_operation(chosen.operations[edges[0]])
            larger = operation.grown()
            grown = chosen.with_operations(dict.fromkeys(edges, str(larger)))
            if (
                operation.reach <= deployed_reach
                or larger.reach > longest
                or costs.total(grown) > macs_cap
            ):
                break
            chosen = grown
    return chosen
