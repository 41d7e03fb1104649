"""A small fixed network of parallel kernels of several lengths."""

import torch
from torch import Tensor, nn

from adaptd.space import Standardise


class _Block(nn.Module):
    """Bottleneck, three parallel convolutions and a pooled path, concatenated."""

    def __init__(self, inputs: int, width: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(inputs, width, 1, bias=False)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, taps, padding=taps // 2, bias=False) for taps in kernels
        )
        self.pooled = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(inputs, width, 1, bias=False))
        self.norm = nn.BatchNorm1d(width * (len(kernels) + 1))

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.bottleneck(x)
        paths = [one(narrow) for one in self.convolutions] + [self.pooled(x)]
        return self.norm(torch.cat(paths, 1)).relu()  # type: ignore[no-any-return]


class Inception(nn.Module):
    """Source: Fawaz et al. 2020, "InceptionTime", two blocks with a residual, kernels 9, 19, 39."""

    def __init__(self, *, in_channels: int, classes: int, width: int = 8) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels)
        self.first = _Block(in_channels, width, (9, 19, 39))
        self.second = _Block(4 * width, width, (9, 19, 39))
        self.shortcut = nn.Sequential(
            nn.Conv1d(in_channels, 4 * width, 1, bias=False), nn.BatchNorm1d(4 * width)
        )
        self.head = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, in_channels, length] -> logits float32 [n, classes]."""
        x = self.standardise(x)
        features = (self.second(self.first(x)) + self.shortcut(x)).relu()
        logits: Tensor = self.head(features.mean(-1))
        return logits
