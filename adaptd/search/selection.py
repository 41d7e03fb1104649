"""Which architecture a gradient search ends with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adaptd.architecture import Architecture
from adaptd.search.choice import choose, grow
from adaptd.search.limit import Limit
from adaptd.search.problem import Problem


@dataclass(frozen=True)
class MostLikely:
    """The largest product of alphas among all combinations within the caps, exactly.

    grows: whether what is left of the caps is then spent on more taps. never: names of operations
    that no edge may end with.
    """

    grows: bool = True
    never: tuple[str, ...] = ()

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
                if operation.split(" ")[0] not in self.never
            }
            for group, weights in alphas.items()
        }
        chosen = choose(
            problem.architecture,
            problem.reopening,
            admitted,
            problem.costs,
            caps=problem.caps,
            limits=limits,
        )
        if not self.grows or not problem.caps:
            return chosen
        return grow(
            chosen, problem.architecture, problem.reopening, problem.costs, caps=problem.caps
        )
