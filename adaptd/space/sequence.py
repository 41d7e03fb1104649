"""`convnet`: the network for streams of short multi-channel sequences."""

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.channel_major import ChannelNorm1d
from adaptd.space.heads import head
from adaptd.space.inverted_residual import InvertedResidual
from adaptd.space.kernels import AveragePool, Depthwise, Identity, Zero
from adaptd.space.pooling import MaxPool
from adaptd.space.standardise import Standardise
from adaptd.space.two_way_cell import Resample, cells_of

# What may stand on an edge. 17 of 36 are linear and merge into one kernel.
CANDIDATES = tuple(
    str(one)
    for one in (
        Identity(),
        Zero(),
        AveragePool(3),
        *(Depthwise(taps) for taps in range(3, 18, 2)),
        *(Depthwise(taps, dilation) for taps in (3, 5) for dilation in (2, 4, 8)),
        MaxPool(3),
        *(
            InvertedResidual(taps, expansion, has_squeeze)
            for taps in (3, 5, 7)
            for expansion in (1, 3, 6)
            for has_squeeze in (False, True)
        ),
    )
)

_STAGES = 2


def convnet(
    *,
    in_channels: int,
    classes: int | None = None,
    targets: int | None = None,
    width: int = 16,
    depth: int = 1,
    resolution: int | None = None,
) -> nn.Module:
    """A classifier or a regressor in two stages, of which the second works at half the length.

    classes, targets: exactly one of the two. width: channels. depth: cells of each stage, of three
    edges each: `cells.0.edges.0` to `cells.1.edges.2` with depth 1. resolution: samples that a
    record is resampled to, linearly, before anything is computed; None leaves its length.

    The cells of the first stage are 0, 2, 4, … and those of the second 1, 3, 5, …, so that a
    greater depth adds names and leaves those there are. Those beyond the first of a stage are
    `Refinement`s.

    Takes float32 [n, in_channels, length >= 2], raw, and gives logits float32 [n, classes], or
    float32 [n, targets].
    Raises ValueError for sizes below 1, a resolution below 2, fewer than two classes.
    """
    if min(in_channels, width, depth) < 1 or (resolution is not None and resolution < 2):
        raise ValueError(
            "convnet needs in_channels, width and depth >= 1 and resolution >= 2, "
            f"got {in_channels}, {width}, {depth} and {resolution}"
        )
    return ConvNet(
        in_channels=in_channels,
        classes=classes,
        targets=targets,
        width=width,
        depth=depth,
        resolution=resolution,
    )


class ConvNet(nn.Module):
    """Standardise, resample, stem, cells, reduction, cells, head."""

    def __init__(
        self,
        *,
        in_channels: int,
        classes: int | None,
        targets: int | None,
        width: int,
        depth: int,
        resolution: int | None,
    ) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels)
        self.resample = nn.Identity() if resolution is None else Resample(resolution, axes=1)
        self.stem = nn.Sequential(
            nn.Conv1d(in_channels, width, 3, padding=1, bias=False), ChannelNorm1d(width)
        )
        self.cells = cells_of([width] * _STAGES, depth=depth, axes=1)
        self.reduction = nn.Sequential(
            nn.ReLU(), nn.Conv1d(width, width, 2, stride=2, bias=False), ChannelNorm1d(width)
        )
        self.norm = ChannelNorm1d(width)
        self.head = head("convnet", width, classes=classes, targets=targets)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, in_channels, length] -> float32 [n, classes] or [n, targets]."""
        features = self.stem(self.resample(self.standardise(x)))
        for cell in self.cells[::_STAGES]:
            features = cell(features)
        features = self.reduction(features)
        for cell in self.cells[1::_STAGES]:
            features = cell(features)
        outcome: Tensor = self.head(functional.relu(self.norm(features)).mean(-1))
        return outcome
