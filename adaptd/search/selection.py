"""Which architecture a gradient search ends with."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from adaptd.architecture import Architecture
from adaptd.search.caps import NothingFits
from adaptd.search.choice import choose, grow
from adaptd.search.gridding import gridding_limit
from adaptd.search.limit import Limit, kind_of
from adaptd.search.problem import Problem


@dataclass(frozen=True)
class MostLikely:
    """The largest product of alphas among all combinations within the caps, exactly, that leave a
    dense kernel somewhere (`gridding_limit`) if the caps do.

    grows: whether what is left of the caps is then spent on more taps. never: names of operations
    that no edge may end with. pooled: see `partly_pooled`, 0 for each group by itself.
    """

    grows: bool = True
    never: tuple[str, ...] = ()
    pooled: float = 0.0

    def choose(
        self,
        problem: Problem,
        alphas: Mapping[str, Mapping[str, float]],
        *,
        limits: Sequence[Limit] = (),
    ) -> Architecture:
        """Raises NothingFits if no combination keeps to the caps and the limits.

        Growing never breaks a limit: it changes no operation's kind.
        """
        admitted = {
            group: {
                operation: weight
                for operation, weight in weights.items()
                if kind_of(operation) not in self.never
            }
            for group, weights in partly_pooled(alphas, self.pooled).items()
        }
        chosen = self._chosen(problem, admitted, limits)
        if not self.grows or not problem.caps:
            return chosen
        return grow(
            chosen, problem.architecture, problem.reopening, problem.costs, caps=problem.caps
        )

    def _chosen(
        self,
        problem: Problem,
        alphas: Mapping[str, Mapping[str, float]],
        limits: Sequence[Limit],
    ) -> Architecture:
        def within(limits: Sequence[Limit]) -> Architecture:
            return choose(
                problem.architecture,
                problem.reopening,
                alphas,
                problem.costs,
                caps=problem.caps,
                limits=limits,
            )

        gridding = gridding_limit(problem)
        if gridding is None:
            return within(limits)
        try:
            return within((*limits, gridding))
        except NothingFits:
            # A dense kernel is wanted, a cap is kept.
            return within(limits)


def partly_pooled(
    alphas: Mapping[str, Mapping[str, float]], share: float
) -> Mapping[str, Mapping[str, float]]:
    """group -> operation -> weight, drawn towards what other groups give that operation.

    The log of a weight, less the mean log of its group, becomes (1 - share) times itself plus share
    times its mean over all groups that have the operation, 0 <= share <= 1. A group that has found
    what it wants hardly moves; one that has not decided follows the others, in place of its noise:
    a drift that moves the scale of a pattern does so for every part of a network.
    Source: partial pooling, Gelman & Hill 2007, "Data analysis using regression and
    multilevel/hierarchical models", chapter 12.
    """
    if not share:
        return alphas
    centred: dict[str, dict[str, float]] = {}
    of_operation: dict[str, list[float]] = {}
    for group, weights in alphas.items():
        logs = {text: math.log(max(weight, 1e-30)) for text, weight in weights.items()}
        middle = fmean(logs.values())
        centred[group] = {text: log - middle for text, log in logs.items()}
        if len(logs) > 1:
            # One that has no choice says nothing.
            for text, log in centred[group].items():
                of_operation.setdefault(text, []).append(log)
    pooled = {}
    for group, logs in centred.items():
        drawn = {
            text: math.exp((1 - share) * log + share * fmean(of_operation.get(text, [log])))
            for text, log in logs.items()
        }
        total = sum(drawn.values())
        pooled[group] = {text: weight / total for text, weight in drawn.items()}
    return pooled
