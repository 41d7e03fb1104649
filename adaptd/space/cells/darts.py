"""`network`: the space of DARTS, a normal and a reduction cell of fourteen edges."""

import torch
from torch import Tensor, nn

from adaptd.space.cell import CellSite
from adaptd.space.cells.genotype import PREDECESSORS, STARTING_EDGES
from adaptd.space.dense_operation import normed_convolution
from adaptd.space.kernels import Depthwise
from adaptd.space.layers import channels_innermost, dense, norm, pooled
from adaptd.space.operation import Operation
from adaptd.space.pooling import MaxPool, PlainAveragePool
from adaptd.space.separable_twice import SeparableTwice
from adaptd.space.skip import FactorisedReduction, Nothing, Skip
from adaptd.space.standardise import Standardise
from adaptd.space.supernet import Reopening

# The eight of the paper, in its order. Of these `dw`, its dilated convolution, merges.
CANDIDATES = tuple(
    map(
        str,
        (
            Nothing(),
            MaxPool(3),
            PlainAveragePool(3),
            Skip(),
            SeparableTwice(3),
            SeparableTwice(5),
            Depthwise(3, 2),
            Depthwise(5, 2),
        ),
    )
)

# On the edges that a genotype keeps before there is any; all others hold `none`.
_START = SeparableTwice(3)

# Channels of the stem, as a multiple of a cell's.
_STEM = 3


def network(
    *, in_channels: int, classes: int, width: int = 16, cells: int = 8, dimensions: int = 2
) -> nn.Module:
    """Stem, cells, head; at one and two thirds of the depth a cell halves the resolution.

    width: channels of each node of the first cell, doubled by each reduction cell. dimensions: 2
    for images, 1 for sequences. Edges are `cells.0.edges.0` to `cells.<cells - 1>.edges.13`; those
    that a genotype leaves out hold `none`.

    Takes float32 [n, in_channels, *axes], raw, and gives logits float32 [n, classes].
    Raises ValueError for other dimensions, sizes below 1, fewer than two classes.
    Source: Liu et al. 2019, "DARTS: differentiable architecture search".
    """
    if min(in_channels, width, cells) < 1 or classes < 2 or dimensions not in (1, 2):
        raise ValueError(
            "network needs in_channels, width and cells >= 1, classes >= 2 and 1 or 2 dimensions, "
            f"got {in_channels}, {width}, {cells}, {classes} and {dimensions}"
        )
    return Network(
        in_channels=in_channels, classes=classes, width=width, cells=cells, dimensions=dimensions
    )


def reductions(cells: int) -> frozenset[int]:
    """Which of so many cells are reduction cells."""
    return frozenset({cells // 3, 2 * cells // 3}) if cells > 2 else frozenset()


def group_of(cell: int, edge: int, *, cells: int) -> str:
    """All edges of one name are one decision: `normal.0` to `normal.13`, `reduction.0` to …."""
    return f"{'reduction' if cell in reductions(cells) else 'normal'}.{edge}"


def reopening(*, cells: int, candidates: tuple[str, ...] = CANDIDATES) -> Reopening:
    """Every edge open to all candidates, tied by kind of cell, as in the paper."""
    groups = {
        f"cells.{cell}.edges.{edge}": group_of(cell, edge, cells=cells)
        for cell in range(cells)
        for edge in range(len(PREDECESSORS))
    }
    return Reopening(dict.fromkeys(groups, candidates), groups)


class DartsCell(nn.Module):
    """Four nodes, each the sum over edges from both inputs and all nodes before it; concatenated.

    skipped: channels of what entered the cell before, which is larger where that was a reduction.
    """

    def __init__(
        self,
        dimensions: int,
        *,
        skipped: int,
        entering: int,
        channels: int,
        is_reduction: bool,
        is_after_reduction: bool,
    ) -> None:
        super().__init__()
        self.preprocess = nn.ModuleList(
            (
                FactorisedReduction(dimensions, skipped, channels)
                if is_after_reduction
                else normed_convolution(dimensions, skipped, channels, 1),
                normed_convolution(dimensions, entering, channels, 1),
            )
        )
        self.edges = nn.ModuleList()
        for place, (_, predecessor) in enumerate(PREDECESSORS):
            stride = 2 if is_reduction and predecessor < 2 else 1
            operation: Operation = _START if place in STARTING_EDGES else Nothing()
            self.edges.append(CellSite(dimensions, channels, stride).place(operation))

    def forward(self, skipped: Tensor, entering: Tensor) -> Tensor:
        """float [n, skipped, *axes'], [n, entering, *axes] -> [n, 4 * channels, *axes / stride]."""
        first, second = self.preprocess
        nodes = [first(skipped), second(entering)]
        for (node, predecessor), edge in zip(PREDECESSORS, self.edges, strict=True):
            outcome = edge(nodes[predecessor])
            if len(nodes) == node:
                nodes.append(outcome)
            else:
                nodes[node] = nodes[node] + outcome
        return torch.cat(nodes[2:], 1)


class Network(nn.Module):
    """Standardise, stem, cells, head."""

    def __init__(
        self, *, in_channels: int, classes: int, width: int, cells: int, dimensions: int
    ) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels, axes=dimensions)
        stem = _STEM * width
        self.stem = nn.Sequential(dense(dimensions, in_channels, stem, 3), norm(dimensions, stem))
        self.cells = nn.ModuleList()
        skipped, entering, channels, is_after_reduction = stem, stem, width, False
        for place in range(cells):
            is_reduction = place in reductions(cells)
            channels *= 2 if is_reduction else 1
            self.cells.append(
                DartsCell(
                    dimensions,
                    skipped=skipped,
                    entering=entering,
                    channels=channels,
                    is_reduction=is_reduction,
                    is_after_reduction=is_after_reduction,
                )
            )
            skipped, entering, is_after_reduction = entering, 4 * channels, is_reduction
        self.head = nn.Linear(entering, classes)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, in_channels, *axes] -> logits float32 [n, classes]."""
        skipped = entering = channels_innermost(self.stem(self.standardise(x)))
        for cell in self.cells:
            skipped, entering = entering, cell(skipped, entering)
        logits: Tensor = self.head(pooled(entering))
        return logits
