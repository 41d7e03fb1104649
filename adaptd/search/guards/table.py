"""`GUARDS`: all there are, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from adaptd.search.guard import Guard
from adaptd.search.guards.auxiliary_skip import AuxiliarySkip
from adaptd.search.guards.divergence_stop import DivergenceStop
from adaptd.search.guards.drop_path import DropPathOnSkips
from adaptd.search.guards.hessian_stop import HessianStop
from adaptd.search.guards.skip_limit import SkipLimit
from adaptd.search.guards.skip_penalty import SkipPenalty

# Called without arguments, each makes one; `summary` says what it does.
GUARDS: Mapping[str, type[Guard]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            DropPathOnSkips,
            AuxiliarySkip,
            SkipLimit,
            SkipPenalty,
            HessianStop,
            DivergenceStop,
        )
    }
)


def default_guards() -> tuple[Guard, ...]:
    """New ones for one search, warm or cold, that does as it would without where no skip is among
    the candidates and its loss does not run away.

    No method has them by itself. Left out: `AuxiliarySkip`, which moves a warm start away from the
    deployed network; `SkipPenalty`, whose weight depends on the loss; `HessianStop`, which takes
    time and may end a search with nothing wrong.
    """
    return DropPathOnSkips(), SkipLimit(), DivergenceStop()
