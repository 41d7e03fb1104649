"""How much wider a network may become under a cap on its cost."""

from inspect import signature

from adaptd.architecture import Architecture
from adaptd.architecture.elastic import WIDTH_MULTIPLE
from adaptd.space.cost import count_macs, count_parameters
from adaptd.space.network import build, resolve

_WIDTH = "width"
# A cap on cost ends it sooner: the cost of most layers grows with the square.
_MOST_TIMES = 8
# Of the width, the best first: kernels for vectors of four floats leave no lane empty.
_MULTIPLES = (WIDTH_MULTIPLE, 2, 1)


def widest(
    architecture: Architecture,
    shape: tuple[int, ...],
    *,
    macs: float,
    parameters: float | None = None,
) -> Architecture | None:
    """The architecture with the largest setting `width` that takes at most so many
    multiply-accumulates for a record of this shape with the same operations, and has at most so
    many parameters (None: any number): a multiple of four, or of two or one where the caps have no
    room for that. None where none is wider, or its factory has no such setting."""
    for multiple in _MULTIPLES:
        found = _widest(architecture, shape, macs=macs, parameters=parameters, multiple=multiple)
        if found is not None:
            return found
    return None


def _widest(
    architecture: Architecture,
    shape: tuple[int, ...],
    *,
    macs: float,
    parameters: float | None,
    multiple: int,
) -> Architecture | None:
    width = _width_of(architecture)
    found = None
    for wider in range((width // multiple + 1) * multiple, _MOST_TIMES * width + 1, multiple):
        settings = {**architecture.settings, _WIDTH: wider}
        candidate = Architecture(architecture.network, settings, architecture.operations)
        try:
            network = build(candidate)
            needed = count_macs(network, shape)
        except ValueError:
            # Not every width can be divided as an operation asks.
            continue
        if needed > macs:
            break
        if parameters is not None and count_parameters(network) > parameters:
            break
        found = candidate
    return found


def _width_of(architecture: Architecture) -> int:
    """0 where there is none."""
    width = architecture.settings.get(_WIDTH)
    if width is None:
        parameter = signature(resolve(architecture.network)).parameters.get(_WIDTH)
        width = None if parameter is None else parameter.default
    return width if isinstance(width, int) and not isinstance(width, bool) else 0
