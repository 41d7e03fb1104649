"""`convnet`: the network for streams of small images."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.heads import head
from adaptd.space.inverted_residual import InvertedResidual
from adaptd.space.kernels import AveragePool, Depthwise, Identity, Zero
from adaptd.space.layers import channels_innermost, pooled
from adaptd.space.pooling import MaxPool
from adaptd.space.standardise import Standardise
from adaptd.space.two_way_cell import Resample, cells_of

# What may stand on an edge. 8 of 27 are linear and merge into one kernel.
CANDIDATES = tuple(
    map(
        str,
        (
            Identity(),
            Zero(),
            AveragePool(3),
            MaxPool(3),
            *(Depthwise(taps) for taps in (3, 5, 7)),
            *(Depthwise(taps, 2) for taps in (3, 5)),
            *(
                InvertedResidual(taps, expansion, has_squeeze)
                for taps in (3, 5, 7)
                for expansion in (1, 3, 6)
                for has_squeeze in (False, True)
            ),
        ),
    )
)


def convnet(
    *,
    in_channels: int,
    classes: int | None = None,
    targets: int | None = None,
    width: int = 16,
    depth: int = 1,
    stages: int = 2,
    stem_stride: int = 1,
    resolution: int | None = None,
) -> nn.Module:
    """A classifier or a regressor in stages, each at half the resolution and twice the channels.

    classes, targets: exactly one of the two. width: channels of the first stage. depth: cells of
    each stage, of three edges each: `cells.0.edges.0` to `cells.1.edges.2` with depth 1 and two
    stages. stem_stride: by which the first convolution divides the resolution. resolution: pixels
    along either axis that a record is resampled to before anything is computed; None leaves it.

    Cells `stage`, `stage + stages`, `stage + 2 * stages`, … are those of a stage, so that a greater
    depth adds names and leaves those there are. Those beyond the first are `Refinement`s.

    Takes float32 [n, in_channels, height, width], raw, either axis at least stem_stride *
    2 ** (stages - 1), and gives logits float32 [n, classes], or float32 [n, targets].
    Raises ValueError for sizes below 1, fewer than two classes.
    """
    if min(in_channels, width, depth, stages, stem_stride, resolution or 1) < 1:
        raise ValueError(
            "convnet needs in_channels, width, depth, stages, stem_stride and resolution >= 1, got "
            f"{in_channels}, {width}, {depth}, {stages}, {stem_stride} and {resolution}"
        )
    return ConvNet(
        in_channels=in_channels,
        classes=classes,
        targets=targets,
        width=width,
        depth=depth,
        stages=stages,
        stem_stride=stem_stride,
        resolution=resolution,
    )


class ConvNet(nn.Module):
    """Standardise, resample, stem, and stages of cells with reductions between them; head."""

    def __init__(
        self,
        *,
        in_channels: int,
        classes: int | None,
        targets: int | None,
        width: int,
        depth: int,
        stages: int,
        stem_stride: int,
        resolution: int | None,
    ) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(stages)]
        self.standardise = Standardise(in_channels, axes=2)
        self.resample = nn.Identity() if resolution is None else Resample(resolution, axes=2)
        self.stem = nn.Conv2d(in_channels, width, 3, stride=stem_stride, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        self.cells = cells_of(widths, depth=depth, axes=2)
        self.reductions = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(),
                nn.Conv2d(before, after, 2, stride=2, bias=False),
                nn.BatchNorm2d(after),
            )
            for before, after in pairwise(widths)
        )
        self.norm = nn.BatchNorm2d(widths[-1])
        self.head = head("convnet", widths[-1], classes=classes, targets=targets)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, in_channels, height, width] -> float32 [n, classes] or [n, targets]."""
        features = channels_innermost(self.stem(self.resample(self.standardise(x))))
        features = self.stem_norm(features)
        stages = len(self.reductions) + 1
        for stage in range(stages):
            if stage:
                features = self.reductions[stage - 1](features)
            for cell in self.cells[stage::stages]:
                features = cell(features)
        outcome: Tensor = self.head(pooled(functional.relu(self.norm(features))))
        return outcome
