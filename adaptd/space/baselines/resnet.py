"""`resnet18`: the residual network for images, and the same for sequences."""

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.baselines.settings import require_choice, require_counts
from adaptd.space.heads import head
from adaptd.space.standardise import Standardise

_STAGES = 4
_BLOCKS_PER_STAGE = 2


def resnet18(
    *,
    in_channels: int,
    classes: int | None = None,
    targets: int | None = None,
    width: int = 64,
    axes: int = 2,
    stem: str = "small",
) -> nn.Module:
    """ResNet-18: a stem and four stages of two basic blocks, of width, 2, 4 and 8 times width.

    in_channels: channels of a record. classes, targets: exactly one of the two.
    width: channels of the first stage. axes: 2 for images, 1 for sequences.
    stem: "small" is a convolution of 3 taps at full resolution, for images of about 32 x 32;
    "large" is the paper's for ImageNet, 7 taps of stride 2 and max pooling of stride 2. The stages
    divide the resolution by 8 more.

    Takes float32 [n, in_channels, height, width], or with axes=1 float32 [n, in_channels, length],
    raw, any size >= 1. Gives logits float32 [n, classes], or float32 [n, targets].
    Raises ValueError, naming the setting, for a count below 1, fewer than two classes, and
    for other axes or stems.
    Source: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition": table 1, with
    projections where the shape changes (option B); weights as in He et al. 2015, "Delving deep into
    rectifiers".
    """
    require_counts("resnet18", in_channels=in_channels, width=width)
    require_choice("resnet18", "axes", axes, (1, 2))
    require_choice("resnet18", "stem", stem, ("small", "large"))
    return ResNet18(
        in_channels=in_channels,
        answers=head("resnet18", width * 2 ** (_STAGES - 1), classes=classes, targets=targets),
        width=width,
        axes=axes,
        has_large_stem=stem == "large",
    )


class BasicBlock(nn.Module):
    """relu(x + two convolutions of 3 taps with batch norm); x is projected if the shape changes."""

    def __init__(self, axes: int, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(axes, in_channels, out_channels, taps=3, stride=stride)
        self.first_norm = _norm(axes, out_channels)
        self.second = _convolution(axes, out_channels, out_channels, taps=3)
        self.second_norm = _norm(axes, out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                _convolution(axes, in_channels, out_channels, taps=1, stride=stride),
                _norm(axes, out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """float [n, in_channels, *size] -> float [n, out_channels, *(size / stride)]."""
        inner = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(inner)) + self.shortcut(x))


class ResNet18(nn.Module):
    """Standardise, stem, four stages, mean over positions, head."""

    def __init__(
        self, *, in_channels: int, answers: nn.Linear, width: int, axes: int, has_large_stem: bool
    ) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels, axes=axes)
        taps, stride = (7, 2) if has_large_stem else (3, 1)
        layers = [
            _convolution(axes, in_channels, width, taps=taps, stride=stride),
            _norm(axes, width),
            nn.ReLU(),
        ]
        if has_large_stem:
            pool = nn.MaxPool1d if axes == 1 else nn.MaxPool2d
            layers.append(pool(3, stride=2, padding=1))
        self.stem = nn.Sequential(*layers)
        self.stages = nn.Sequential()
        channels = width
        for stage in range(_STAGES):
            for block in range(_BLOCKS_PER_STAGE):
                stride = 2 if stage > 0 and block == 0 else 1
                self.stages.append(BasicBlock(axes, channels, width * 2**stage, stride))
                channels = width * 2**stage
        self.head = answers
        for module in self.modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, in_channels, *size] -> float32 [n, classes] or [n, targets]."""
        features: Tensor = self.stages(self.stem(self.standardise(x)))
        answers: Tensor = self.head(features.flatten(2).mean(-1))
        return answers


def _convolution(
    axes: int, in_channels: int, out_channels: int, *, taps: int, stride: int = 1
) -> nn.Module:
    kind = nn.Conv1d if axes == 1 else nn.Conv2d
    return kind(in_channels, out_channels, taps, stride=stride, padding=taps // 2, bias=False)


def _norm(axes: int, channels: int) -> nn.Module:
    return nn.BatchNorm1d(channels) if axes == 1 else nn.BatchNorm2d(channels)
