"""The random rival: one edit, drawn blindly."""

import random
from collections.abc import Sequence

from adaptd.architecture import Architecture, neighbours
from adaptd.search.caps import Cap, within
from adaptd.space import Reopening


def random_neighbour(
    architecture: Architecture, reopening: Reopening, *, caps: Sequence[Cap], seed: int
) -> Architecture:
    """The architecture with another of its candidates on one random open edge, within the caps.

    Edge and operation are drawn together, each fitting pair equally likely. The architecture itself
    where none fits.
    """
    fitting = [
        neighbour
        for neighbour in neighbours(architecture, reopening.candidates)
        if within(caps, neighbour)
    ]
    return random.Random(seed).choice(fitting) if fitting else architecture
