"""The cell of our networks over sequences and images, and what changes a record's resolution."""

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.kernels import Depthwise
from adaptd.space.refinement import Refinement

_MODES = {1: "linear", 2: "bilinear"}


class TwoWayCell(nn.Module):
    """Two ways from input to output, one over an inner node: edge 1 (x) + edge 2 (edge 0 (x))."""

    def __init__(self, channels: int, *, axes: int) -> None:
        super().__init__()
        self.edges = _edges(channels, axes)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same shape."""
        return _two_ways(self.edges, x)


class LaterCell(Refinement):
    """A cell that adds to what the one before it gave."""

    def __init__(self, channels: int, *, axes: int, predecessor: str) -> None:
        super().__init__(channels, axes=axes, predecessor=predecessor)
        self.edges = _edges(channels, axes)

    def refine(self, x: Tensor) -> Tensor:
        return _two_ways(self.edges, x)


class Resample(nn.Module):
    """Records of any size to a fixed one along each axis, linearly between samples."""

    def __init__(self, size: int, *, axes: int) -> None:
        super().__init__()
        self.size, self.axes = size, axes

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> float [n, channels, size, …]."""
        size = [self.size] * self.axes
        return functional.interpolate(x, size=size, mode=_MODES[self.axes], align_corners=False)


def cells_of(widths: list[int], *, depth: int, axes: int) -> nn.ModuleList:
    """`depth` cells of each stage, of whose channels widths tells.

    Cells `stage`, `stage + stages`, `stage + 2 * stages`, … are those of a stage, so that a greater
    depth adds names and leaves those there are.
    """
    stages = len(widths)
    return nn.ModuleList(
        TwoWayCell(widths[place], axes=axes)
        if place < stages
        else LaterCell(widths[place % stages], axes=axes, predecessor=f"cells.{place - stages}")
        for place in range(stages * depth)
    )


def _edges(channels: int, axes: int) -> nn.ModuleList:
    return nn.ModuleList(CellSite(axes, channels).place(Depthwise(3)) for _ in range(3))


def _two_ways(edges: nn.ModuleList, x: Tensor) -> Tensor:
    into_node, past_node, out_of_node = edges
    outcome: Tensor = past_node(x) + out_of_node(into_node(x))
    return outcome
