"""`convnet`: the network for streams of short multi-channel sequences."""

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.channel_major import ChannelNorm1d
from adaptd.space.operation import Depthwise
from adaptd.space.separable import SeparableConv1d
from adaptd.space.standardise import Standardise


def convnet(*, in_channels: int, classes: int, width: int = 16) -> nn.Module:
    """A classifier with six edges, `cells.0.edges.0` to `cells.1.edges.2`, in two cells.

    The second cell works at half the length.

    Takes float32 [n, in_channels, length >= 2], raw, and gives logits float32 [n, classes].
    Raises ValueError for in_channels or width below 1, or fewer than two classes.
    """
    if in_channels < 1 or width < 1 or classes < 2:
        raise ValueError(
            "convnet needs in_channels >= 1, width >= 1 and classes >= 2, "
            f"got {in_channels}, {width} and {classes}"
        )
    return ConvNet(in_channels=in_channels, classes=classes, width=width)


class Cell(nn.Module):
    """Two ways from input to output, one over an inner node: edge 1 (x) + edge 2 (edge 0 (x))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(SeparableConv1d(channels, Depthwise(3)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        into_node, past_node, out_of_node = self.edges
        outcome: Tensor = past_node(x) + out_of_node(into_node(x))
        return outcome


class ConvNet(nn.Module):
    """Standardise, stem, cell, reduction, cell, head."""

    def __init__(self, *, in_channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels)
        self.stem = nn.Sequential(
            nn.Conv1d(in_channels, width, 3, padding=1, bias=False), ChannelNorm1d(width)
        )
        self.cells = nn.ModuleList(Cell(width) for _ in range(2))
        self.reduction = nn.Sequential(
            nn.ReLU(), nn.Conv1d(width, width, 2, stride=2, bias=False), ChannelNorm1d(width)
        )
        self.norm = ChannelNorm1d(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, in_channels, length] -> logits float32 [n, classes]."""
        first, second = self.cells
        features = self.reduction(first(self.stem(self.standardise(x))))
        logits: Tensor = self.head(functional.relu(self.norm(second(features))).mean(-1))
        return logits
