"""The best combination of operations that the caps allow."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import LinearConstraint, milp

from adaptd.architecture import Architecture
from adaptd.search.caps import Cap, NothingFits, amounts, within
from adaptd.search.limit import Limit
from adaptd.space import EdgeCosts, LinearOperation, Reopening, parse_operation

# What two summed scores may differ by and still be the same.
_TOLERANCE = 1e-6
# Combinations that the solver took for within a limit by its tolerance, a ten-millionth, before all
# limits are lowered by twice that.
_MOST_BARRED = 20
_SOLVER_TOLERANCE = 1e-7
_INFEASIBLE = 2
# In units of a limit.
_HOPELESS = 1e3

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
    where no combination will do. Where very many exceed a limit by less than a ten-millionth, one
    that uses the limit to within a few ten-millionths may be missed.
    A multiple-choice knapsack, solved exactly as an integer program (Huangfu & Hall 2018, "HiGHS").
    """
    if not options:
        return {} if admits({}) else None
    taken = [(group, option) for group, of_group in options.items() for option in of_group]
    if not all(options.values()):
        return None
    scores = np.array([option.score for _, option in taken])
    costs = np.array([option.cost for _, option in taken])
    one_each = np.array([[group == of for group, _ in taken] for of in options], dtype=float)
    rules = [LinearConstraint(one_each, 1, 1)]
    bounds = [
        _bound([option.uses[place] for _, option in taken], limit)
        for place, limit in enumerate(limits)
    ]
    for barred in count():
        if barred == _MOST_BARRED:
            bounds = [(uses, most - 2 * _SOLVER_TOLERANCE) for uses, most in bounds]
        limited = [*rules, *(LinearConstraint(uses, -np.inf, most) for uses, most in bounds)]
        best = _solved(-scores, limited)
        if best is None:
            return None
        level = LinearConstraint(scores, scores @ best - _TOLERANCE, np.inf)
        cheapest = _solved(costs / max(1.0, np.abs(costs).max()), [*limited, level])
        places = np.flatnonzero(best if cheapest is None else cheapest)
        chosen = {taken[place][0]: taken[place][1].operation for place in places}
        # The solver takes a sum for within a limit that exceeds it by a ten-millionth.
        is_within = all(
            math.fsum(taken[place][1].uses[which] for place in places) <= limit
            for which, limit in enumerate(limits)
        )
        if is_within and admits(chosen):
            return chosen
        same = np.zeros(len(taken))
        same[places] = 1
        rules.append(LinearConstraint(same, -np.inf, len(options) - 1))
    raise AssertionError("an endless count has ended")


def _bound(uses: Sequence[float], limit: float) -> tuple[NDArray[np.float64], float]:
    """What is used and the most of it, scaled to 1; what breaks the limit by itself is far above.

    Whole numbers are first divided by what they have in common, so that a sum which breaks the
    limit breaks it by much.
    """
    if all(float(use).is_integer() for use in uses if math.isfinite(use)):
        common = math.gcd(*(int(use) for use in uses if math.isfinite(use))) or 1
        uses, limit = [use / common for use in uses], limit // common
    scale = abs(limit) or 1.0
    return np.minimum(np.array(uses) / scale, _HOPELESS), limit / scale


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
    NothingFits if no combination does.
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

    left = [cap.room(architecture, reopening.groups) for cap in caps]
    chosen = best_within(
        options,
        [*left, *(limit.most for limit in limits)],
        admits=lambda chosen: within(caps, outcome(chosen)),
    )
    if chosen is None:
        bounds = " and ".join(map(str, (*caps, *limits)))
        raise NothingFits(
            f"no combination of candidates has {bounds}; the deployed architecture takes "
            f"{amounts(caps, architecture) or 'no more'}"
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
