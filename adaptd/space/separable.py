"""`SeparableConv1d`: what stands on an edge of a plain network."""

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.channel_major import ChannelNorm1d, PointwiseConv1d
from adaptd.space.depthwise import DepthwiseConv1d
from adaptd.space.operation import Depthwise


class SeparableConv1d(nn.Module):
    """ReLU, depthwise convolution, pointwise convolution, batch norm; length and channels stay.

    Only the depthwise part depends on the operation: operations on one edge merge in it and share
    the rest.
    """

    def __init__(self, channels: int, operation: Depthwise) -> None:
        super().__init__()
        self.depthwise = DepthwiseConv1d(channels, operation)
        self.pointwise = PointwiseConv1d(channels, channels)
        self.norm = ChannelNorm1d(channels)

    @property
    def channels(self) -> int:
        return self.depthwise.channels

    @property
    def operation(self) -> Depthwise:
        return self.depthwise.operation

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, length] -> the same shape."""
        normalised: Tensor = self.norm(self.pointwise(self.depthwise(functional.relu(x))))
        return normalised
