"""A network as a user might bring one: ordinary torch, and nothing of this project."""

from torch import Tensor, nn

_TAPS = 5


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        around = _TAPS // 2
        self.conv1 = nn.Conv1d(width, width, _TAPS, padding=around, bias=False)
        self.norm1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, _TAPS, padding=around, bias=False)
        self.norm2 = nn.BatchNorm1d(width)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        refined = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        outcome: Tensor = self.relu(x + refined)
        return outcome


class _Detector(nn.Module):
    def __init__(self, in_channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv1d(in_channels, width, _TAPS, padding=_TAPS // 2)
        self.blocks = nn.Sequential(_Residual(width), _Residual(width))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.stem(x)).mean(-1))
        return logits


def detector(*, in_channels: int, classes: int, width: int = 16) -> nn.Module:
    """Five dense convolutions of five taps. float32 [n, in_channels, length] -> logits [n,
    classes]."""
    return _Detector(in_channels, classes, width)
