"""Networks as users bring them: ordinary torch, nothing of this project.

Each factory takes keyword settings and gives a module for records [n, channels, *size] (tabular:
[n, features]); answers are [n, outputs], or [n, outputs, *size] where the network is dense. `axes`
is 1 for sequences, 2 for images. `FOREIGN` lists them with an example for parametrised tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as most users write it


def conv_of(axes: int) -> type[nn.Conv1d] | type[nn.Conv2d]:
    return nn.Conv1d if axes == 1 else nn.Conv2d


class ChannelsLastLayerNorm(nn.Module):
    """nn.LayerNorm over the channels of each position, as in ConvNeXt."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.norm(x.movedim(1, -1))
        return normalised.movedim(-1, 1)


def norm_of(kind: str, channels: int, axes: int) -> nn.Module:
    """none, batch, layer (nn.LayerNorm), one_group (GroupNorm(1)), group (GroupNorm of 4)."""
    if kind == "none":
        return nn.Identity()
    if kind == "batch":
        return nn.BatchNorm1d(channels) if axes == 1 else nn.BatchNorm2d(channels)
    if kind == "layer":
        return ChannelsLastLayerNorm(channels)
    return nn.GroupNorm({"one_group": 1, "group": 4}[kind], channels)


class Pooled(nn.Module):
    """Features, mean over positions, linear head."""

    def __init__(self, features: nn.Module, width: int, outputs: int) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        answers: Tensor = self.head(self.features(x).flatten(2).mean(-1))
        return answers


def plain_cnn(
    *, channels: int = 3, outputs: int = 5, width: int = 8, axes: int = 2, norm: str = "none"
) -> nn.Module:
    """Three convolutions with biases and valid padding, max pooling after the first."""
    conv, pool = conv_of(axes), nn.MaxPool1d if axes == 1 else nn.MaxPool2d
    layers: list[nn.Module] = []
    for before, after in ((channels, width), (width, 2 * width), (2 * width, 2 * width)):
        layers += [conv(before, after, 3), norm_of(norm, after, axes), nn.ReLU()]
        if after == width:
            layers.append(pool(2))
    return Pooled(nn.Sequential(*layers), 2 * width, outputs)


class Residual(nn.Module):
    """A basic block with in-place activations and a projected shortcut."""

    def __init__(self, before: int, after: int, stride: int, axes: int, norm: str) -> None:
        super().__init__()
        conv = conv_of(axes)
        self.conv1 = conv(before, after, 3, stride=stride, padding=1, bias=False)
        self.bn1 = norm_of(norm, after, axes)
        self.relu = nn.ReLU(inplace=True)  # one module, called twice, as torchvision does
        self.conv2 = conv(after, after, 3, padding=1, bias=False)
        self.bn2 = norm_of(norm, after, axes)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                conv(before, after, 1, stride=stride, bias=False), norm_of(norm, after, axes)
            )

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        answer: Tensor = self.relu(out)
        return answer


def residual_network(
    *, channels: int = 3, outputs: int = 5, width: int = 8, axes: int = 2, norm: str = "batch"
) -> nn.Module:
    """A narrow ResNet-18: stem and four stages of two basic blocks."""
    layers: list[nn.Module] = [
        conv_of(axes)(channels, width, 3, padding=1, bias=False),
        norm_of(norm, width, axes),
        nn.ReLU(inplace=True),
    ]
    before = width
    for stage in range(4):
        after = width * 2**stage
        layers += [
            Residual(before, after, 1 if stage == 0 else 2, axes, norm),
            Residual(after, after, 1, axes, norm),
        ]
        before = after
    return Pooled(nn.Sequential(*layers), before, outputs)


class Branching(nn.Module):
    """Takes one way or another by what it sees, which no graph can hold."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        answers: Tensor = self.network(x)
        return answers if answers.mean() > 0 else -answers


def branching_cnn(**settings: Any) -> nn.Module:
    """A plain network that cannot be exported."""
    return Branching(plain_cnn(**settings))


class Bottleneck(nn.Module):
    """Expand, depthwise, squeeze-excite, project, skip where the shape stays."""

    def __init__(self, before: int, after: int, taps: int, stride: int, axes: int) -> None:
        super().__init__()
        conv, inner = conv_of(axes), 3 * before
        self.expand = nn.Sequential(
            conv(before, inner, 1, bias=False), norm_of("batch", inner, axes), nn.Hardswish()
        )
        self.depthwise = nn.Sequential(
            conv(inner, inner, taps, stride, taps // 2, groups=inner, bias=False),
            norm_of("batch", inner, axes),
            nn.Hardswish(),
        )
        self.squeeze, self.excite = conv(inner, inner // 4, 1), conv(inner // 4, inner, 1)
        self.project = nn.Sequential(
            conv(inner, after, 1, bias=False), norm_of("batch", after, axes)
        )
        self.has_skip = stride == 1 and before == after
        self.positions = tuple(range(2, 2 + axes))

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.depthwise(self.expand(x))
        gate = self.excite(F.relu(self.squeeze(inner.mean(self.positions, keepdim=True))))
        out: Tensor = self.project(inner * F.hardsigmoid(gate))
        return x + out if self.has_skip else out


def mobile_network(
    *, channels: int = 3, outputs: int = 5, width: int = 8, axes: int = 2
) -> nn.Module:
    """A short MobileNetV3: depthwise convolutions of 3 and 5 taps, squeeze-excite, h-swish."""
    features = nn.Sequential(
        conv_of(axes)(channels, width, 3, stride=2, padding=1, bias=False),
        norm_of("batch", width, axes),
        nn.Hardswish(),
        Bottleneck(width, width, 3, 1, axes),
        Bottleneck(width, 2 * width, 5, 2, axes),
        Bottleneck(2 * width, 2 * width, 5, 1, axes),
    )
    return Pooled(features, 2 * width, outputs)


class UNet(nn.Module):
    """Down twice by max pooling, up by nearest neighbour, features concatenated on the way."""

    def __init__(self, channels: int, outputs: int, width: int, axes: int, norm: str) -> None:
        super().__init__()

        def twice(before: int, after: int) -> nn.Module:
            layers: list[nn.Module] = []
            for inputs in (before, after):
                conv = conv_of(axes)(inputs, after, 3, padding=1)
                layers += [conv, norm_of(norm, after, axes), nn.ReLU(inplace=True)]
            return nn.Sequential(*layers)

        self.down1, self.down2 = twice(channels, width), twice(width, 2 * width)
        self.bottom = twice(2 * width, 4 * width)
        self.up2, self.up1 = twice(6 * width, 2 * width), twice(3 * width, width)
        self.pool = nn.MaxPool1d(2) if axes == 1 else nn.MaxPool2d(2)
        self.head = conv_of(axes)(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down1(x)
        middle = self.down2(self.pool(fine))
        coarse = self.bottom(self.pool(middle))
        coarse = F.interpolate(coarse, size=middle.shape[2:])  # so that odd sizes fit
        middle = self.up2(torch.cat([coarse, middle], 1))
        middle = F.interpolate(middle, size=fine.shape[2:])
        answers: Tensor = self.head(self.up1(torch.cat([middle, fine], 1)))
        return answers


def unet(
    *, channels: int = 3, outputs: int = 4, width: int = 8, axes: int = 2, norm: str = "batch"
) -> nn.Module:
    """Dense prediction: [n, channels, *size] -> [n, outputs, *size]."""
    return UNet(channels, outputs, width, axes, norm)


def perceptron(*, features: int = 12, outputs: int = 3, width: int = 16) -> nn.Module:
    """No convolution at all: three linear layers."""
    return nn.Sequential(
        nn.Linear(features, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, outputs),
    )


def odd_kernels_cnn(*, channels: int = 3, outputs: int = 5, width: int = 8) -> nn.Module:
    """Even, oblong, dilated, grouped and 'same'-padded convolutions."""
    features = nn.Sequential(
        nn.Conv2d(channels, width, 4, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, (1, 5), padding="same"),
        nn.ReLU(),
        nn.Conv2d(width, width, (3, 1), stride=(2, 1), padding=(1, 0), bias=False),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, dilation=(1, 2), padding=(1, 2), groups=4),
        nn.ReLU(),
    )
    return Pooled(features, width, outputs)


def _trouble(axes: int, channels: int, width: int) -> tuple[nn.Sequential, nn.Module, nn.Module]:
    """A stem and two convolutions that keep the shape, for the trouble makers below."""
    conv = conv_of(axes)
    stem = nn.Sequential(conv(channels, width, 3, padding=1), nn.ReLU())
    return stem, conv(width, width, 3, padding=1), conv(width, width, 3, padding=1)


def tied_cnn(*, channels: int = 3, outputs: int = 5, width: int = 8, axes: int = 2) -> nn.Module:
    """Two convolutions, one weight `Parameter`; their biases are their own."""
    stem, first, second = _trouble(axes, channels, width)
    second.weight = first.weight
    return Pooled(nn.Sequential(stem, first, nn.ReLU(), second, nn.ReLU()), width, outputs)


class CalledTwice(nn.Module):
    """x through the same convolution, twice."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(F.relu(self.conv(x))))


def twice_called_cnn(
    *, channels: int = 3, outputs: int = 5, width: int = 8, axes: int = 2
) -> nn.Module:
    """One convolution that forward calls twice."""
    stem, conv, _ = _trouble(axes, channels, width)
    return Pooled(nn.Sequential(stem, CalledTwice(conv)), width, outputs)


class Idle(nn.Module):
    """Holds a convolution that forward never calls."""

    def __init__(self, conv: nn.Module, unused: nn.Module) -> None:
        super().__init__()
        self.conv = conv
        self.unused = unused

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


def idle_cnn(*, channels: int = 3, outputs: int = 5, width: int = 8, axes: int = 2) -> nn.Module:
    """One convolution, `features.1.unused`, that is never called."""
    stem, conv, unused = _trouble(axes, channels, width)
    return Pooled(nn.Sequential(stem, Idle(conv, unused)), width, outputs)


def reflecting_cnn(
    *, channels: int = 3, outputs: int = 5, width: int = 8, axes: int = 2
) -> nn.Module:
    """Convolutions that pad by reflection, not by zeros."""
    conv = conv_of(axes)
    features = nn.Sequential(
        conv(channels, width, 3, padding=1, padding_mode="reflect"),
        nn.ReLU(),
        conv(width, width, 5, padding=2, padding_mode="reflect"),
        nn.ReLU(),
    )
    return Pooled(features, width, outputs)


def transposed_cnn(*, channels: int = 3, outputs: int = 4, width: int = 8) -> nn.Module:
    """Dense prediction, down by a stride and up by a transposed convolution."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(width, width, 2, stride=2),
        nn.ReLU(),
        nn.Conv2d(width, outputs, 1),
    )


class Recurrent(nn.Module):
    """Convolution, LSTM over the positions, head on its last state."""

    def __init__(self, channels: int, outputs: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, width, 3, padding=1)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(F.relu(self.conv(x)).transpose(1, 2))
        answers: Tensor = self.head(states[:, -1])
        return answers


def recurrent_network(*, channels: int = 3, outputs: int = 5, width: int = 8) -> nn.Module:
    """A convolution before an LSTM."""
    return Recurrent(channels, outputs, width)


class TwoBranches(nn.Module):
    """Two convolutions side by side, combined by nn.Bilinear."""

    def __init__(self, channels: int, outputs: int, width: int) -> None:
        super().__init__()
        self.left = nn.Conv1d(channels, width, 3, padding=1)
        self.right = nn.Conv1d(channels, width, 5, padding=2)
        self.head = nn.Bilinear(width, width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        left, right = F.relu(self.left(x)).mean(-1), F.relu(self.right(x)).mean(-1)
        answers: Tensor = self.head(left, right)
        return answers


def bilinear_network(*, channels: int = 3, outputs: int = 5, width: int = 8) -> nn.Module:
    """Two branches that a bilinear layer joins."""
    return TwoBranches(channels, outputs, width)


@dataclass(frozen=True)
class Foreign:
    """factory: as a user names it. shape: one record's. Dense answers have the record's size."""

    factory: str
    shape: tuple[int, ...]
    outputs: int
    settings: Mapping[str, int | str] = field(default_factory=dict)
    is_dense: bool = False


_IMAGE = (3, 16, 16)
_SEQUENCE = (3, 32)
_1D: Mapping[str, int | str] = {"axes": 1}

FOREIGN: Mapping[str, Foreign] = {
    "plain_cnn": Foreign("tests.networks:plain_cnn", _IMAGE, 5),
    "plain_cnn_1d": Foreign("tests.networks:plain_cnn", _SEQUENCE, 5, _1D),
    "batch_norm": Foreign("tests.networks:plain_cnn", _IMAGE, 5, {"norm": "batch"}),
    "layer_norm": Foreign("tests.networks:plain_cnn", _IMAGE, 5, {"norm": "layer"}),
    "one_group_norm": Foreign("tests.networks:plain_cnn", _IMAGE, 5, {"norm": "one_group"}),
    "group_norm": Foreign("tests.networks:plain_cnn", _IMAGE, 5, {"norm": "group"}),
    "group_norm_1d": Foreign("tests.networks:plain_cnn", _SEQUENCE, 5, {**_1D, "norm": "group"}),
    "residual": Foreign("tests.networks:residual_network", _IMAGE, 5),
    "residual_1d": Foreign("tests.networks:residual_network", _SEQUENCE, 5, _1D),
    "residual_group_norm": Foreign("tests.networks:residual_network", _IMAGE, 5, {"norm": "group"}),
    "mobile": Foreign("tests.networks:mobile_network", _IMAGE, 5),
    "mobile_1d": Foreign("tests.networks:mobile_network", _SEQUENCE, 5, _1D),
    "unet": Foreign("tests.networks:unet", _IMAGE, 4, is_dense=True),
    "unet_1d": Foreign("tests.networks:unet", _SEQUENCE, 4, _1D, is_dense=True),
    "perceptron": Foreign("tests.networks:perceptron", (12,), 3),
    "odd_kernels": Foreign("tests.networks:odd_kernels_cnn", _IMAGE, 5),
    "tied": Foreign("tests.networks:tied_cnn", _IMAGE, 5),
    "twice_called": Foreign("tests.networks:twice_called_cnn", _IMAGE, 5),
    "idle": Foreign("tests.networks:idle_cnn", _IMAGE, 5),
    "reflecting": Foreign("tests.networks:reflecting_cnn", _IMAGE, 5),
    "transposed": Foreign("tests.networks:transposed_cnn", _IMAGE, 4, is_dense=True),
    "recurrent": Foreign("tests.networks:recurrent_network", _SEQUENCE, 5),
    "bilinear": Foreign("tests.networks:bilinear_network", _SEQUENCE, 5),
}


def half_frozen_cnn(**settings: Any) -> nn.Module:
    """`plain_cnn` whose first convolution was learnt elsewhere and is to stay."""
    network = plain_cnn(**settings)
    network.get_submodule("features.0").requires_grad_(False)
    return network


def dropping_cnn(**settings: Any) -> nn.Module:
    """`plain_cnn` that drops half of what its first convolution gives while it is trained."""
    network = plain_cnn(**settings)
    features = network.get_submodule("features")
    assert isinstance(features, nn.Sequential)
    # In the place of a norm that is none, so that names stay.
    features[1] = nn.Dropout(0.5)
    return network


class Listed(nn.Module):
    """Its layers stand in a list that is called `edges`, which means nothing; two have nothing in
    common. It counts something of its own, too."""

    def __init__(self, channels: int, outputs: int, width: int) -> None:
        super().__init__()
        self.body = nn.ModuleDict(
            {
                "edges": nn.ModuleList(
                    [
                        nn.Conv1d(channels, width, 5, padding=2),
                        nn.Conv1d(width, width, 4, padding=1, groups=width),
                        nn.Linear(width, outputs),
                    ]
                )
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        first, second, head = (self.get_submodule(f"body.edges.{place}") for place in range(3))
        features = second(torch.relu(first(x)))
        outcome: Tensor = head(torch.relu(features).mean(2))
        return outcome

    def macs(self) -> int:
        """Of somebody's own."""
        return 7


def listed_network(*, channels: int = 3, outputs: int = 5, width: int = 8) -> nn.Module:
    """`Listed`."""
    return Listed(channels, outputs, width)
