"""The random rival: one edit, drawn blindly."""

import random

from adaptd.architecture import Architecture, neighbours
from adaptd.search.candidates import CANDIDATES
from adaptd.space import EdgeCosts


def random_neighbour(
    architecture: Architecture, *, macs_cap: int, seed: int, shape: tuple[int, ...]
) -> Architecture:
    """The architecture with another of `CANDIDATES` on one random edge, within the cap.

    macs_cap: multiply-accumulates of the whole network on one record of this shape (without the
    batch axis). Edge and operation are drawn together, each fitting pair equally likely. The
    architecture itself where none fits.
    """
    costs = EdgeCosts.of(architecture, shape)
    fitting = [
        neighbour
        for neighbour in neighbours(
            architecture, dict.fromkeys(architecture.operations, CANDIDATES)
        )
        if costs.total(neighbour) <= macs_cap
    ]
    return random.Random(seed).choice(fitting) if fitting else architecture
