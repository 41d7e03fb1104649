"""Moves along the elastic dimensions of a network: its width, its depth, its resolution.

They are settings of the factory, whole numbers under these names. A move changes the settings and
leaves every operation where it is. Only the network knows which edges a depth brings: with fewer,
`build` refuses operations of edges that are gone; with more, the new ones hold what the factory
gives them. `with_edges` fits the operations once the edges are known.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

from adaptd.architecture.architecture import Architecture

# Channels; kernels for vectors of four floats leave no lane of such a width empty.
WIDTH_MULTIPLE = 4

# Relative. Powers of factors such as 1.1 end a few units in the last place above the number that
# is meant; rounding up must not add a layer for that.
_ROUND_UP_TOLERANCE = Fraction(1, 10**9)


def scaled(
    architecture: Architecture,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    resolution: float = 1.0,
    width_multiple: int = WIDTH_MULTIPLE,
) -> Architecture:
    """The architecture with its settings `width`, `depth` and `resolution` multiplied.

    Factors: finite, above 0; one of exactly 1 neither needs nor touches its setting. The width is
    rounded to the nearest multiple of `width_multiple` (halves up, at least one multiple), the
    depth up, the resolution to the nearest whole number (halves up, at least 1). The operations
    stay; see `with_edges`.
    Raises ValueError, naming them, for settings that are missing or no whole number above 0, and
    for other factors or multiples.
    """
    if width_multiple < 1:
        raise ValueError(f"width_multiple must be at least 1, got {width_multiple}")
    factors = {
        name: factor
        for name, factor in (("width", width), ("depth", depth), ("resolution", resolution))
        if factor != 1
    }
    for name, factor in factors.items():
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"the factor of {name} must be finite and above 0, got {factor}")
    missing = [name for name in factors if name not in architecture.settings]
    if missing:
        raise ValueError(
            f"cannot scale {', '.join(missing)}: {architecture.network} is given only the settings "
            f"{list(architecture.settings)}; state what is to be scaled"
        )
    settings = dict(architecture.settings)
    for name, factor in factors.items():
        exact = _whole(name, settings[name]) * Fraction(factor)
        match name:
            case "width":
                settings[name] = max(_nearest(exact / width_multiple), 1) * width_multiple
            case "depth":
                settings[name] = math.ceil(exact * (1 - _ROUND_UP_TOLERANCE))
            case _:
                settings[name] = max(_nearest(exact), 1)
    return Architecture(architecture.network, settings, architecture.operations)


def compound(
    architecture: Architecture,
    phi: float,
    alpha: float = 1.2,
    beta: float = 1.1,
    gamma: float = 1.15,
    *,
    width_multiple: int = WIDTH_MULTIPLE,
) -> Architecture:
    """The architecture scaled by one coefficient: depth by alpha ** phi, width by beta ** phi,
    resolution by gamma ** phi, rounded as `scaled` does.

    phi: any finite number; 0 gives the architecture itself, below 0 a smaller one. With dense
    convolutions over images the compute grows by (alpha * beta**2 * gamma**2) ** phi, about 2 **
    phi with the defaults; over sequences the resolution counts once, about 1.7 ** phi.
    Raises ValueError as `scaled` does, for alpha, beta or gamma below 1, and for a phi that leads
    out of the range of floats.
    Source: Tan & Le 2019, "EfficientNet: Rethinking model scaling for convolutional neural
    networks".
    """
    for name, factor in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        if not factor >= 1:
            raise ValueError(f"{name} must be at least 1, got {factor}")
    try:
        return scaled(
            architecture,
            depth=math.pow(alpha, phi),
            width=math.pow(beta, phi),
            resolution=math.pow(gamma, phi),
            width_multiple=width_multiple,
        )
    except OverflowError as error:
        raise ValueError(f"phi {phi} scales beyond the range of floats") from error


def with_edges(architecture: Architecture, edges: Iterable[str], default: str) -> Architecture:
    """The architecture with an operation on exactly these edges.

    edges: those of the network that the settings now describe. An edge that had an operation keeps
    it, a new one gets the default, and operations of all other edges are dropped.
    """
    return Architecture(
        architecture.network,
        architecture.settings,
        {edge: architecture.operations.get(edge, default) for edge in edges},
    )


def _whole(name: str, value: object) -> int:
    # A bool is an int in Python, but no size.
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"setting {name} must be a whole number above 0 to scale, got {value!r}")
    return value


def _nearest(exact: Fraction) -> int:
    return math.floor(exact + Fraction(1, 2))
