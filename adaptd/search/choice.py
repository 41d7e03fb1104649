"""The best combination of operations that a budget of multiply-accumulates allows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adaptd.architecture import Architecture
from adaptd.search.limit import Limit
from adaptd.space import EdgeCosts, LinearOperation, Reopening, parse_operation


@dataclass(frozen=True)
class Option:
    """One operation for one group: what it scores (larger is better) and what it costs.

    uses: how much it takes of each of the limits, if there are any.
    """

    operation: str
    score: float
    macs: int
    uses: tuple[int, ...] = ()


# A combination of operations for the first so many groups: its cost, its score, the operations.
_Partial = tuple[int, float, tuple[str, ...]]


def best_within(
    options: Mapping[str, Sequence[Option]], cap: int, *, limits: Sequence[int] = ()
) -> dict[str, str] | None:
    """Group -> operation, of the largest summed score among all combinations within the cap.

    limits: of what the options `use`, the most that may be used of each. Exact: of the partial
    combinations that have used the same, only those are dropped that another one beats in both
    score and cost. Of equal scores the cheaper wins. None where no combination fits.
    """
    none_used = (0,) * len(limits)
    fronts: dict[tuple[int, ...], list[_Partial]] = {none_used: [(0, 0.0, ())]}
    last_users = [
        max(
            (n for n, of in enumerate(options.values()) if any(one.uses[place] for one in of)),
            default=-1,
        )
        for place in range(len(limits))
    ]
    for number, of_group in enumerate(options.values()):
        extended: dict[tuple[int, ...], list[_Partial]] = {}
        for used, front in fronts.items():
            for macs, score, chosen in front:
                for option in of_group:
                    uses = tuple(map(sum, zip(used, option.uses, strict=True)))
                    if macs + option.macs > cap or any(
                        use > limit for use, limit in zip(uses, limits, strict=True)
                    ):
                        continue
                    # What no later group uses need no longer be told apart.
                    key = tuple(
                        use if number < last else 0
                        for use, last in zip(uses, last_users, strict=True)
                    )
                    extended.setdefault(key, []).append(
                        (macs + option.macs, score + option.score, (*chosen, option.operation))
                    )
        fronts = {used: _undominated(partials) for used, partials in extended.items()}
    # The last group leaves nothing to be told apart.
    whole = fronts.get(none_used)
    return dict(zip(options, whole[-1][2], strict=True)) if whole else None


def _undominated(partials: Sequence[_Partial]) -> list[_Partial]:
    """Those that no cheaper one equals in score, in the order of both."""
    front, best = [], -math.inf
    for partial in sorted(partials, key=lambda partial: (partial[0], -partial[1])):
        if partial[1] > best:
            front.append(partial)
            best = partial[1]
    return front


def choose(
    architecture: Architecture,
    reopening: Reopening,
    alphas: Mapping[str, Mapping[str, float]],
    costs: EdgeCosts,
    *,
    macs_cap: int,
    limits: Sequence[Limit] = (),
) -> Architecture:
    """The architecture with the largest product of alphas over its edges, within cap and limits.

    alphas: group -> operation -> weight in (0, 1]; one without a weight is not chosen. Raises
    ValueError if no combination fits.
    """
    options = {
        group: [
            Option(
                operation,
                len(reopening.edges(group)) * math.log(max(alphas[group][operation], 1e-30)),
                sum(costs.on(edge, operation) for edge in reopening.edges(group)),
                tuple(limit.uses(reopening.edges(group), operation) for limit in limits),
            )
            for operation in reopening.operations(group)
            if operation in alphas[group]
        ]
        for group in reopening.group_names
    }
    closed = sum(
        costs.on(edge, operation)
        for edge, operation in architecture.operations.items()
        if edge not in reopening.groups
    )
    chosen = best_within(
        options, macs_cap - costs.fixed - closed, limits=[limit.most for limit in limits]
    )
    if chosen is None:
        kept = "".join(f" and has {limit}" for limit in limits)
        raise ValueError(
            f"no combination of candidates stays within {macs_cap} multiply-accumulates{kept}; "
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
        deployed_reach = max(costs.reach(edge, deployed.operations[edge]) for edge in edges)
        longest = min(min(costs.shapes[edge][1:], default=0) for edge in edges) // 2
        while True:
            operation = parse_operation(chosen.operations[edges[0]])
            larger = operation.grown() if isinstance(operation, LinearOperation) else None
            if larger is None or not all(larger.fits(costs.edges[edge].site) for edge in edges):
                break
            grown = chosen.with_operations(dict.fromkeys(edges, str(larger)))
            if (
                max(costs.reach(edge, str(operation)) for edge in edges) <= deployed_reach
                or max(costs.reach(edge, str(larger)) for edge in edges) > longest
                or costs.total(grown) > macs_cap
            ):
                break
            chosen = grown
    return chosen
