"""`network`: the space of NAS-Bench-201, one cell of six edges and five operations."""

import random
from collections.abc import Iterator, Mapping
from itertools import pairwise, product

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.dense_operation import NormedConvolution, normed_convolution
from adaptd.space.layers import channels_innermost, dense, norm, pointwise, pooled
from adaptd.space.pooling import PlainAveragePool
from adaptd.space.skip import Nothing, Skip
from adaptd.space.standardise import Standardise
from adaptd.space.supernet import Reopening

# Operation -> its name in the benchmark, in the benchmark's order.
PUBLISHED = {
    str(Nothing()): "none",
    str(Skip()): "skip_connect",
    str(NormedConvolution(1)): "nor_conv_1x1",
    str(NormedConvolution(3)): "nor_conv_3x3",
    str(PlainAveragePool(3)): "avg_pool_3x3",
}
CANDIDATES = tuple(PUBLISHED)

_NODES = 4

# Of each edge, in the order of the benchmark's strings: node it leads to, node it comes from.
ENDS: tuple[tuple[int, int], ...] = tuple(
    (node, predecessor) for node in range(1, _NODES) for predecessor in range(node)
)

_STAGES = 3


def network(
    *, in_channels: int, classes: int, width: int = 16, cells: int = 5, dimensions: int = 2
) -> nn.Module:
    """Stem, three stages of cells with a residual block before the second and third, head.

    width: channels of the first stage, doubled by each block, which halves the resolution. cells:
    of each stage. dimensions: 2 for images, 1 for sequences. Edges are `cells.0.edges.0` to
    `cells.<3 * cells - 1>.edges.5`, at first all `nor_conv k3`.

    Takes float32 [n, in_channels, *axes], raw, and gives logits float32 [n, classes].
    Raises ValueError for other dimensions, sizes below 1, fewer than two classes.
    Source: Dong & Yang 2020, "NAS-Bench-201".
    """
    if min(in_channels, width, cells) < 1 or classes < 2 or dimensions not in (1, 2):
        raise ValueError(
            "network needs in_channels, width and cells >= 1, classes >= 2 and 1 or 2 dimensions, "
            f"got {in_channels}, {width}, {cells}, {classes} and {dimensions}"
        )
    return Network(
        in_channels=in_channels, classes=classes, width=width, cells=cells, dimensions=dimensions
    )


def reopening(*, cells: int, candidates: tuple[str, ...] = CANDIDATES) -> Reopening:
    """Every edge open to all candidates, the same one of every cell tied: groups `0` to `5`."""
    groups = {
        f"cells.{cell}.edges.{edge}": str(edge)
        for cell in range(_STAGES * cells)
        for edge in range(len(ENDS))
    }
    return Reopening(dict.fromkeys(groups, candidates), groups)


def encode(cell: tuple[str, ...]) -> str:
    """The benchmark's string of a cell, e.g. `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|…|`.

    cell: six operations, in the order of the string. Raises ValueError for others.
    """
    if len(cell) != len(ENDS) or not set(cell) <= PUBLISHED.keys():
        raise ValueError(f"a cell is six of {list(PUBLISHED)}, got {list(cell)}")
    nodes: dict[int, str] = {}
    for (node, predecessor), operation in zip(ENDS, cell, strict=True):
        nodes[node] = nodes.get(node, "|") + f"{PUBLISHED[operation]}~{predecessor}|"
    return "+".join(nodes.values())


def decode(text: str) -> tuple[str, ...]:
    """Undoes `encode`. Raises ValueError for a text of another form."""
    names = {name: operation for operation, name in PUBLISHED.items()}
    words = [word for node in text.split("+") for word in node.strip("|").split("|")]
    cell = tuple(names.get(word.partition("~")[0], word) for word in words)
    if len(cell) != len(ENDS) or not set(cell) <= PUBLISHED.keys() or encode(cell) != text:
        raise ValueError(f"no cell of NAS-Bench-201 is written {text!r}")
    return cell


def operations_of(cell: tuple[str, ...], *, cells: int) -> dict[str, str]:
    """Edge -> operation of a network of so many cells a stage, all of them this one."""
    return {
        f"cells.{place}.edges.{edge}": operation
        for place in range(_STAGES * cells)
        for edge, operation in enumerate(cell)
    }


def cell_of(operations: Mapping[str, str]) -> tuple[str, ...]:
    """The cell that all of a network are. Raises ValueError if they differ."""
    found = {
        tuple(operations[f"cells.{place}.edges.{edge}"] for edge in range(len(ENDS)))
        for place in {int(edge.split(".")[1]) for edge in operations}
    }
    if len(found) != 1:
        raise ValueError(f"the cells of a network of NAS-Bench-201 are the same, got {len(found)}")
    return found.pop()


def every_cell() -> Iterator[tuple[str, ...]]:
    """All 15,625 of them."""
    return product(CANDIDATES, repeat=len(ENDS))


def random_cell(draws: random.Random) -> tuple[str, ...]:
    """Each as likely as any other."""
    return tuple(draws.choice(CANDIDATES) for _ in ENDS)


class BenchmarkCell(nn.Module):
    """Each node is the sum over edges from all before it; the last one leaves."""

    def __init__(self, dimensions: int, channels: int) -> None:
        super().__init__()
        site = CellSite(dimensions, channels)
        self.edges = nn.ModuleList(site.place(NormedConvolution(3)) for _ in ENDS)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same shape."""
        nodes = [x]
        for (node, predecessor), edge in zip(ENDS, self.edges, strict=True):
            outcome = edge(nodes[predecessor])
            if len(nodes) == node:
                nodes.append(outcome)
            else:
                nodes[node] = nodes[node] + outcome
        return nodes[-1]


class ReductionBlock(nn.Module):
    """A residual block of two convolutions that halves the resolution.

    Source: He et al. 2016, "Deep residual learning for image recognition", with the average pooling
    of the benchmark on the way around.
    """

    def __init__(self, dimensions: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            normed_convolution(dimensions, inputs, outputs, 3, stride=2),
            normed_convolution(dimensions, outputs, outputs, 3),
        )
        self.around = pointwise(dimensions, inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, inputs, *axes] -> float [n, outputs, *axes / 2], rounded up."""
        pool = functional.avg_pool1d if x.ndim == 3 else functional.avg_pool2d
        # Rounded up, as the convolution's; only what lies within the ends counts.
        halved = pool(x, 2, 2, ceil_mode=True, count_include_pad=False)
        outcome: Tensor = self.body(x) + self.around(halved)
        return outcome


class Network(nn.Module):
    """Standardise, stem, stages, head."""

    def __init__(
        self, *, in_channels: int, classes: int, width: int, cells: int, dimensions: int
    ) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels, axes=dimensions)
        self.stem = nn.Sequential(dense(dimensions, in_channels, width, 3), norm(dimensions, width))
        widths = [width * 2**stage for stage in range(_STAGES)]
        self.cells = nn.ModuleList(
            BenchmarkCell(dimensions, channels) for channels in widths for _ in range(cells)
        )
        self.reductions = nn.ModuleList(
            ReductionBlock(dimensions, before, after) for before, after in pairwise(widths)
        )
        self.norm = norm(dimensions, widths[-1])
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, in_channels, *axes] -> logits float32 [n, classes]."""
        features = channels_innermost(self.stem(self.standardise(x)))
        stage_length = len(self.cells) // _STAGES
        for place, cell in enumerate(self.cells):
            if place and place % stage_length == 0:
                features = self.reductions[place // stage_length - 1](features)
            features = cell(features)
        logits: Tensor = self.head(pooled(functional.relu(self.norm(features))))
        return logits
