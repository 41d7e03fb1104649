"""What else could stand on an edge, derived from what stands there and what enters it."""

from collections.abc import Sequence

from adaptd.space.cell import CellSite
from adaptd.space.convolution import (
    Convolution,
    ConvSite,
    LowRankConvolution,
    SeparableConvolution,
)
from adaptd.space.edges import Edge
from adaptd.space.feature import FeatureSite
from adaptd.space.kernels import Depthwise
from adaptd.space.linear import Block, Diagonal, LinearMap, LinearSite, LowRank
from adaptd.space.operation import Operation, parse_operation
from adaptd.space.tabular import CANDIDATES as TABULAR_CANDIDATES

# More candidates split the vote between near equals, and each costs a kernel's memory.
_MOST = 8

# Channels, on both sides, from which a dense layer may be factorised: with fewer, what is saved is
# next to nothing and the first layers of a network, which see the raw channels, lose the most.
_ENOUGH_CHANNELS = 8

# A product of rank one gives every output the same pattern.
_LEAST_RANK = 2

# In a cell over images taps cost their square: a 9 x 9 kernel alone is over most caps.
IMAGE_CANDIDATES = ("dw k3 d1", "dw k5 d1", "dw k7 d1", "dw k3 d2", "dw k3 d3")

# In a block over tables all but those that let next to nothing through, which looks best while a
# search is short, and is worse than what is deployed when all is trained.
_MIXING = tuple(text for text in TABULAR_CANDIDATES if text not in ("identity", "zero", "diagonal"))

# Share of a record's length that the furthest tap of a candidate may be away from the middle.
# Beyond it most of a kernel's taps see padding.
_REACH_SHARE = 1 / 8
# Reach, in samples, up to which kernels are dense; beyond it five taps are set further apart.
_DENSE_REACH = 4


def sequence_candidates(length: int) -> tuple[str, ...]:
    """Depthwise kernels whose reach doubles, from one sample to an eighth of the record.

    Dense up to a reach of four samples, beyond it five taps at a dilation of half the reach: for
    records of 64 samples k3, k5, k9 and k5 d4. More dense ones between them split the vote: on the
    streams tried, a larger set won on one and lost on others. Only the length of a record decides,
    not what is known of a drift.
    """
    reach, found = 1, []
    while reach <= max(1, _REACH_SHARE * length):
        dense = Depthwise(2 * reach + 1)
        found.append(str(dense if reach <= _DENSE_REACH else Depthwise(5, reach // 2)))
        reach *= 2
    return tuple(found)


def candidates_for(
    edge: Edge, entering_shape: tuple[int, ...], record_shape: tuple[int, ...]
) -> tuple[str, ...]:
    """The operations, as texts, that an edge may be reopened to, what stands there among them.

    entering_shape: of what enters the edge; record_shape: of what enters the network, which decides
    for edges in cells, so that all cells have a choice of the same. Both without the batch axis.
    Each once, all fitting the site; the same for the same edge and shapes.

    Of a layer in any network at most eight, what stands there first:

    A convolution: two taps fewer and two more an axis, since a drift moves the scale of patterns;
    two other dilations, since it moves their distance; the same taps as a separable convolution
    and at a quarter and half of the rank, where the layer is dense and wide enough, since data may
    have become simpler; four taps more where there is room in the list and in the data. No kernel
    is larger than its axis of the input, nor, where it has grown by four, than half of that:
    beyond, it would mostly see padding. One of a single tap can be of lower rank, or look at its
    neighbours. A linear layer can be of lower rank, block-diagonal or diagonal. A factorisation
    that saves nothing is none.
    An edge in a cell: depthwise kernels, narrow, middle, wide and far. One in a block over tables:
    all operations of that space that mix features.
    """
    site = edge.site
    match site:
        case CellSite(dimensions=1):
            return _fitting(edge, sequence_candidates(record_shape[1]))
        case CellSite():
            return _fitting(edge, IMAGE_CANDIDATES)
        case FeatureSite():
            return _fitting(edge, _MIXING)
        case ConvSite():
            found = _convolutions(site, edge.operation, entering_shape)
        case LinearSite():
            found = _matrices(site)
        case _:
            found = []
    fitting = (operation for operation in found if operation.fits(site))
    return tuple(dict.fromkeys(map(str, (edge.operation, *fitting))))[:_MOST]


def _fitting(edge: Edge, texts: Sequence[str]) -> tuple[str, ...]:
    """Those that fit, and what is deployed."""
    fitting = (text for text in texts if parse_operation(text).fits(edge.site))
    return tuple(dict.fromkeys((*fitting, str(edge.operation))))


def _convolutions(
    site: ConvSite, deployed: Operation, entering_shape: tuple[int, ...]
) -> list[Operation]:
    if not isinstance(deployed, Convolution | SeparableConvolution | LowRankConvolution):
        return []
    lattice = deployed.lattice(site)
    taps, dilation = lattice.taps, lattice.dilation
    lengths = entering_shape[1:]
    if lattice.count == 1:
        neighbours = tuple(3 if length > 1 else 1 for length in lengths)
        return [
            Convolution(taps, dilation),
            *_low_ranks(site, taps, dilation),
            *([Convolution(neighbours)] if max(neighbours) > 1 else []),
        ]

    def kernel(change: int, distances: tuple[int, ...], *, share: float = 1.0) -> list[Operation]:
        # Along an axis of a single tap the layer is meant not to look, or has its distance in vain.
        changed = tuple(count + change if count > 1 else 1 for count in taps)
        if min(changed) < 1:
            return []
        distances = tuple(
            distance if count > 1 else 1 for count, distance in zip(changed, distances, strict=True)
        )
        extents = [
            distance * (count - 1) + 1 for count, distance in zip(changed, distances, strict=True)
        ]
        is_small_enough = all(
            extent <= max(1, length * share)
            for extent, length in zip(extents, lengths, strict=True)
        )
        return [Convolution(changed, distances)] if is_small_enough else []

    return [
        Convolution(taps, dilation),
        *kernel(-2, dilation),
        *kernel(+2, dilation),
        *(one for distances in _distances(site, taps, dilation) for one in kernel(0, distances)),
        *_separable(site, taps, dilation),
        *_low_ranks(site, taps, dilation),
        *kernel(+4, dilation, share=0.5),
    ]


def _distances(
    site: ConvSite, taps: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, ...]]:
    """Two dilations other than the present one: of 1, 2 and 4, or, as an even number of taps keeps
    its outcome's length with odd ones only, of 1, 3 and 5."""
    known = (1, 3, 5) if any(site.is_even) else (1, 2, 4)
    others = [tuple(distance if count > 1 else 1 for count in taps) for distance in known]
    return [distances for distances in others if distances != dilation][:2]


def _separable(site: ConvSite, taps: tuple[int, ...], dilation: tuple[int, ...]) -> list[Operation]:
    if min(site.inputs, site.outputs) < _ENOUGH_CHANNELS:
        return []
    return [SeparableConvolution(taps, dilation)]


def _low_ranks(site: ConvSite, taps: tuple[int, ...], dilation: tuple[int, ...]) -> list[Operation]:
    if min(site.inputs, site.outputs) < _ENOUGH_CHANNELS:
        return []
    columns = site.inputs * Convolution(taps, dilation).lattice(site).count
    return [LowRankConvolution(rank, taps, dilation) for rank in _ranks(site.outputs, columns)]


def _matrices(site: LinearSite) -> list[Operation]:
    return [
        LinearMap(),
        *(LowRank(rank) for rank in _ranks(site.outputs, site.inputs)),
        Block(2),
        Block(4),
        Diagonal(),
    ]


def _ranks(rows: int, columns: int) -> list[int]:
    """About a quarter and half of the full rank, where two factors cost less than the matrix."""
    full = min(rows, columns)
    return [
        rank
        for rank in (full // 4, full // 2)
        if rank >= _LEAST_RANK and rank * (rows + columns) < rows * columns
    ]
