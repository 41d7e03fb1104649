"""Safeguards of gradient searches: against skips that win, sharp optima, and divergence."""

from adaptd.search.guards.auxiliary_skip import AuxiliarySkip
from adaptd.search.guards.divergence_stop import DivergenceStop
from adaptd.search.guards.drop_path import DropPathOnSkips
from adaptd.search.guards.hessian_stop import HessianStop
from adaptd.search.guards.skip_limit import SkipLimit
from adaptd.search.guards.skip_penalty import SkipPenalty
from adaptd.search.guards.table import GUARDS, default_guards

__all__ = [
    "GUARDS",
    "AuxiliarySkip",
    "DivergenceStop",
    "DropPathOnSkips",
    "HessianStop",
    "SkipLimit",
    "SkipPenalty",
    "default_guards",
]
