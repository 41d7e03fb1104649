"""Architecture search around a deployed network, and training."""

from adaptd.search.caps import Cap
from adaptd.search.method import METHODS, search
from adaptd.search.problem import Found, Problem
from adaptd.search.training import Samples

__all__ = ["METHODS", "Cap", "Found", "Problem", "Samples", "search"]
