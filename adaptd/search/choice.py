"""The best combination of operations that the caps allow."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, milp

from adaptd.architecture import Architecture
from adaptd.search.caps import Cap, within
from adaptd.search.limit import Limit
from adaptd.space import EdgeCosts, LinearOperation, Reopening, parse_operation

# What two summed scores may differ by and still be the same.
_TOLERANCE = 1e-6
_INFEASIBLE = 2

Chosen = dict[str, str]


@dataclass(frozen=True)
class Option:
    """One operation for one group: what it scores (larger is better) and what it costs.

    uses: how much it takes of each of the limits, if there are any.
    """

    operation: str
    score: float
    cost: float
    uses: tuple[float, ...] = ()


def best_within(
    options: Mapping[str, Sequence[Option]],
    limits: Sequence[float] = (),
    *,
    admits: Callable[[Chosen], bool] = lambda _chosen: True,
) -> Chosen | None:
    """Group -> operation, of the largest summed score among all combinations within the limits.

    limits: the most that may be used of each. admits: whether a combination may be taken, asked of
    those that the limits let pass. Of scores that differ by less than 1e-6 the cheaper wins. None
    where no combination will do.
    A multiple-choice knapsack, solved exactly as an integer program (Huangfu & Hall 2018, "HiGHS").
    """
    taken = [(group, option) for group, of_group in options.items() for option in of_group]
    if not all(options.values()):
        return None
    scores = np.array([option.score for _, option in taken])
    costs = np.array([option.cost for _, option in taken])
    one_each = np.array([[group == of for group, _ in taken] for of in options], dtype=float)
    rules = [LinearConstraint(one_each, 1, 1)]
    for place, limit in enumerate(limits):
        uses = np.array([option.uses[place] for _, option in taken])
        # What breaks a limit by itself would only spoil the scale.
        hopeless = uses > limit
        rules.append(LinearConstraint(hopeless.astype(float), 0, 0))
        scale = max(1.0, abs(limit))
        rules.append(LinearConstraint(np.where(hopeless, 0, uses) / scale, -np.inf, limit / scale))
    while True:
        best = _solved(-scores, rules)
        if best is None:
            return None
        level = LinearConstraint(scores, scores @ best - _TOLERANCE, np.inf)
        cheapest = _solved(costs / max(1.0, np.abs(costs).max()), [*rules, level])
        places = np.flatnonzero(best if cheapest is None else cheapest)
        chosen = {taken[place][0]: taken[place][1].operation for place in places}
        # The solver takes a sum for within a limit that exceeds it by a ten-millionth.
        is_within = all(
            math.fsum(taken[place][1].uses[number] for place in places) <= limit
            for number, limit in enumerate(limits)
        )
        if is_within and admits(chosen):
            return chosen
        barred = np.zeros(len(taken))
        barred[places] = 1
        rules.append(LinearConstraint(barred, -np.inf, len(options) - 1))


def _solved(
    objective: NDArray[np.float64], rules: Sequence[LinearConstraint]
) -> NDArray[np.bool_] | None:
    """Which options are taken where the objective is least, None where none can be."""
    found = milp(
        objective, constraints=rules, integrality=1, bounds=(0, 1), options={"mip_rel_gap": 0}
    )
    if found.status == _INFEASIBLE:
        return None
    if not found.success:
        raise RuntimeError(f"the choice was not solved: {found.message}")
    return np.asarray(found.x > 1 / 2)


def choose(
    architecture: Architecture,
    reopening: Reopening,
    alphas: Mapping[str, Mapping[str, float]],
    costs: EdgeCosts,
    *,
    caps: Sequence[Cap] = (),
    limits: Sequence[Limit] = (),
) -> Architecture:
    """The architecture with the largest product of alphas over its edges, within caps and limits.

    alphas: group -> operation -> weight in (0, 1]; one without a weight is not chosen. Raises
    ValueError if no combination fits.
    """
    options = {
        group: [
            Option(
                operation,
                len(edges) * math.log(max(alphas[group][operation], 1e-30)),
                sum(costs.on(edge, operation) for edge in edges),
                (
                    *(sum(cap.cost.on(edge, operation) for edge in edges) for cap in caps),
                    *(limit.uses(edges, operation) for limit in limits),
                ),
            )
            for operation in reopening.operations(group)
            if operation in alphas[group]
        ]
        for group in reopening.group_names
        for edges in (reopening.edges(group),)
    }

    def outcome(chosen: Chosen) -> Architecture:
        return architecture.with_operations(
            {edge: chosen[group] for edge, group in reopening.groups.items()}
        )

    deployed = {edge: architecture.operations[edge] for edge in reopening.groups}
    # What is left for the open edges when all others have theirs.
    left = [
        cap.most
        - cap.cost.total(architecture)
        + sum(cap.cost.on(edge, operation) for edge, operation in deployed.items())
        for cap in caps
    ]
    chosen = best_within(
        options,
        [*left, *(limit.most for limit in limits)],
        admits=lambda chosen: within(caps, outcome(chosen)),
    )
    if chosen is None:
        bounds = " and ".join(map(str, (*caps, *limits)))
        taken = " and ".join(f"{cap.cost.total(architecture):g} {cap.cost.unit}" for cap in caps)
        raise ValueError(
            f"no combination of candidates has {bounds}; the deployed architecture takes "
            f"{taken or 'no more'}"
        )
    return outcome(chosen)


def grow(
    chosen: Architecture,
    deployed: Architecture,
    reopening: Reopening,
    costs: EdgeCosts,
    *,
    caps: Sequence[Cap],
) -> Architecture:
    """Spends what is left of the caps on more taps, at the dilation chosen, group by group.

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
                or not within(caps, grown)
            ):
                break
            chosen = grown
    return chosen
