"""`mobilenet_v3`: the small MobileNetV3, for images where every multiplication counts."""

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.baselines.settings import require_counts, require_positive, require_rates
from adaptd.space.heads import head
from adaptd.space.standardise import Standardise

# Table 2 of the paper, a row a block: taps, expanded channels, channels, has squeeze-excite, has
# h-swish (else ReLU), stride.
_BLOCKS = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)
_STEM_CHANNELS = 16
_LAST_CHANNELS = 576
_HEAD_CHANNELS = 1024
# Channels squeeze-excite has inside, as a part of the expanded ones.
_SQUEEZE = 0.25


def mobilenet_v3(
    *,
    in_channels: int,
    classes: int | None = None,
    targets: int | None = None,
    multiplier: float = 1.0,
    dropout: float = 0.2,
) -> nn.Module:
    """MobileNetV3-Small: inverted residual blocks with squeeze-excite and h-swish.

    in_channels: channels of an image. classes, targets: exactly one of the two.
    multiplier: factor to all channels, rounded to multiples of 8. dropout: rate before the last
    layer, in [0, 1).

    Takes float32 [n, in_channels, height, width], raw, any size >= 1; the resolution is divided by
    32. Gives logits float32 [n, classes], or float32 [n, targets].
    Raises ValueError, naming the setting, for a count below 1, fewer than two classes, a multiplier
    that is not above 0, a rate outside [0, 1).
    Source: Howard et al. 2019, "Searching for MobileNetV3". Table 2 marks squeeze-excite on the
    last convolution too; the authors' implementation has none there, nor has this one.
    """
    require_counts("mobilenet_v3", in_channels=in_channels)
    require_positive("mobilenet_v3", multiplier=multiplier)
    require_rates("mobilenet_v3", dropout=dropout)
    hidden = round_channels(_HEAD_CHANNELS * multiplier)
    answers = head("mobilenet_v3", hidden, classes=classes, targets=targets)
    return MobileNetV3(
        in_channels=in_channels, answers=answers, multiplier=multiplier, dropout=dropout
    )


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate in [0, 1] that depends on the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = round_channels(channels * _SQUEEZE)
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, height, width] -> the same shape."""
        means = x.mean((2, 3), keepdim=True)
        return x * functional.hardsigmoid(self.excite(functional.relu(self.squeeze(means))))


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, squeeze-excite, project; plus x where the shape stays."""

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out_channels: int,
        *,
        taps: int,
        stride: int,
        has_squeeze_excite: bool,
        has_hardswish: bool,
    ) -> None:
        super().__init__()
        self.is_residual = stride == 1 and in_channels == out_channels
        activation = nn.Hardswish if has_hardswish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers += [*_convolution(in_channels, expanded, taps=1), activation()]
        layers += [
            *_convolution(expanded, expanded, taps=taps, stride=stride, groups=expanded),
            activation(),
        ]
        if has_squeeze_excite:
            layers.append(SqueezeExcite(expanded))
        layers += _convolution(expanded, out_channels, taps=1)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, in_channels, h, w] -> float [n, out_channels, h / stride, w / stride]."""
        outcome: Tensor = self.layers(x)
        return x + outcome if self.is_residual else outcome


class MobileNetV3(nn.Module):
    """Standardise, stem, inverted residual blocks, last convolution, mean over positions, head."""

    def __init__(
        self, *, in_channels: int, answers: nn.Linear, multiplier: float, dropout: float
    ) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels, axes=2)
        channels = round_channels(_STEM_CHANNELS * multiplier)
        self.stem = nn.Sequential(
            *_convolution(in_channels, channels, taps=3, stride=2), nn.Hardswish()
        )
        self.blocks = nn.Sequential()
        for taps, expanded, out_channels, has_squeeze_excite, has_hardswish, stride in _BLOCKS:
            block = InvertedResidual(
                channels,
                round_channels(expanded * multiplier),
                round_channels(out_channels * multiplier),
                taps=taps,
                stride=stride,
                has_squeeze_excite=has_squeeze_excite,
                has_hardswish=has_hardswish,
            )
            self.blocks.append(block)
            channels = round_channels(out_channels * multiplier)
        last = round_channels(_LAST_CHANNELS * multiplier)
        self.last = nn.Sequential(*_convolution(channels, last, taps=1), nn.Hardswish())
        self.head = nn.Sequential(
            nn.Linear(last, answers.in_features), nn.Hardswish(), nn.Dropout(dropout), answers
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, in_channels, height, width] -> float32 [n, classes] or [n, targets]."""
        features: Tensor = self.last(self.blocks(self.stem(self.standardise(x))))
        answers: Tensor = self.head(features.mean((2, 3)))
        return answers


def round_channels(channels: float) -> int:
    """The multiple of 8 nearest to channels, at least 8 and at least nine tenths of channels."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def _convolution(
    in_channels: int, out_channels: int, *, taps: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, nn.Module]:
    """A convolution that keeps the size but for its stride, and its batch norm."""
    convolution = nn.Conv2d(
        in_channels, out_channels, taps, stride, taps // 2, groups=groups, bias=False
    )
    # The paper's epsilon. Its running statistics take hundreds of batches to settle, more than a
    # short stream has, so that their momentum is torch's.
    return convolution, nn.BatchNorm2d(out_channels, eps=1e-3)
