"""Layers that take and give [n, channels, length] as any other, but keep memory channel by channel.

A tensor is *channel-major* where `x.transpose(0, 1)` is contiguous, as `channels_last` is the
opposite. A pointwise convolution is then one matrix product, batch norm runs over whole rows, and
the Toeplitz product of `adaptd.space.depthwise` needs no copy. Element-wise operations keep the
layout. An exported graph holds the ordinary operators.
"""

import torch
from torch import Tensor, nn


def is_plain_path(x: Tensor) -> bool:
    """Whether the ordinary operators must be used: in an exported graph, and off the CPU."""
    return torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export() or x.device.type != "cpu"


def rows(x: Tensor) -> Tensor:
    """[n, channels, length] -> [channels, n, length], contiguous; no copy if x is channel-major."""
    return x.transpose(0, 1).contiguous()


class PointwiseConv1d(nn.Conv1d):
    """Convolution of one tap without bias."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, in_channels, length] -> float [n, out_channels, length]."""
        if is_plain_path(x):
            return super().forward(x)
        columns = rows(x)
        product = self.weight.squeeze(2) @ columns.view(columns.shape[0], -1)
        return product.view(-1, *columns.shape[1:]).transpose(0, 1)


class ChannelNorm1d(nn.BatchNorm1d):
    """Batch norm over batch and length."""

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, length] -> the same shape."""
        if is_plain_path(x):
            return super().forward(x)
        columns = rows(x)
        flat = super().forward(columns.view(1, columns.shape[0], -1))
        return flat.view(columns.shape).transpose(0, 1)
