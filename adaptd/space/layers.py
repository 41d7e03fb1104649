"""The layers that the operations of a cell are made of, for sequences and for images."""

import torch
from torch import Tensor, nn

from adaptd.space.channel_major import ChannelNorm1d, PointwiseConv1d, is_plain_path
from adaptd.space.depthwise import DepthwiseConv1d
from adaptd.space.depthwise_image import DepthwiseConv2d
from adaptd.space.lattice import Lattice


def pointwise(dimensions: int, inputs: int, outputs: int, *, stride: int = 1) -> nn.Module:
    """A convolution of one tap without bias."""
    if dimensions == 2:
        return nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
    if stride > 1:
        return nn.Conv1d(inputs, outputs, 1, stride=stride, bias=False)
    return PointwiseConv1d(inputs, outputs)


def dense(dimensions: int, inputs: int, outputs: int, taps: int, *, stride: int = 1) -> nn.Module:
    """A convolution without bias, each axis divided by the stride, rounded up; taps: odd."""
    if taps == 1:
        return pointwise(dimensions, inputs, outputs, stride=stride)
    layer = nn.Conv1d if dimensions == 1 else nn.Conv2d
    return layer(inputs, outputs, taps, stride=stride, padding=taps // 2, bias=False)


def depthwise(dimensions: int, channels: int, taps: int, *, stride: int = 1) -> nn.Module:
    """A kernel for each channel, without bias, each axis divided by the stride; taps: odd."""
    lattice = Lattice((taps,) * dimensions, (1,) * dimensions)
    layer = DepthwiseConv1d if dimensions == 1 else DepthwiseConv2d
    return layer(channels, lattice, stride=stride)


def norm(dimensions: int, channels: int) -> nn.Module:
    """Batch norm over the batch and all positions."""
    return ChannelNorm1d(channels) if dimensions == 1 else nn.BatchNorm2d(channels)


def pooled(x: Tensor) -> Tensor:
    """The mean over all positions: float [n, channels, *axes] -> float [n, channels]."""
    return x.mean(2) if x.ndim == 3 else x.mean((2, 3))


def channels_innermost(x: Tensor) -> Tensor:
    """The same images in the layout in which depthwise convolutions on CPU are the quickest.

    Layers keep the layout of what enters them. Sequences stay as they are, and what is exported.
    """
    if x.ndim != 4 or is_plain_path(x):
        return x
    return x.contiguous(memory_format=torch.channels_last)
