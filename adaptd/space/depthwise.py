"""Depthwise convolution with taps at any offsets, quick for short sequences on CPU."""

from functools import lru_cache
from math import gcd
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable
from torch.nn import functional

from adaptd.space.channel_major import is_plain_path, rows
from adaptd.space.lattice import Lattice

# Samples. The Toeplitz product costs length^2 a channel. Forward and backward of 64 records of 16
# channels, one thread, AVX2: at 64 samples 0.7 ms whatever the taps, against 0.6 (3 taps) to 2.8 ms
# (dilated, or 11 taps) of torch's depthwise convolution; at 128 it wins only where taps lie far
# out, beyond that nowhere.
_ALWAYS_SHORT = 64
_SHORT_FOR_LONG_REACH = 128
_LONG_REACH = 4


def depthwise_conv1d(x: Tensor, kernel: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """out[:, c, i] = sum over t of kernel[c, t] * x[:, c, i + offsets[t]], zero beyond the ends.

    x: float [n, channels, length]; kernel: float [channels, taps]; offsets: samples, one a tap.
    Returns float [n, channels, length]. Keeps for the backward pass no more than x and kernel.
    """
    reach = max(map(abs, offsets))
    if is_short(x, offsets):
        product = cast(Tensor, _ToeplitzProduct.apply(rows(x), kernel, offsets))  # type: ignore[no-untyped-call]
        return product.transpose(0, 1)
    step = gcd(*offsets) or 1
    even = tuple(range(-reach, reach + 1, step))
    if offsets != even:
        # Taps at uneven distances are an even kernel with zeros between them.
        places = torch.tensor([even.index(offset) for offset in offsets], device=x.device)
        kernel = kernel.new_zeros(len(kernel), len(even)).index_copy(1, places, kernel)
    return functional.conv1d(
        x, kernel.unsqueeze(1), padding=reach, dilation=step, groups=len(kernel)
    )


def is_short(x: Tensor, offsets: tuple[int, ...]) -> bool:
    """Whether the Toeplitz product is the quicker way for x, float [n, channels, length]."""
    length, reach = x.shape[2], max(map(abs, offsets))
    return not is_plain_path(x) and (
        length <= _ALWAYS_SHORT or (length <= _SHORT_FOR_LONG_REACH and reach > _LONG_REACH)
    )


class DepthwiseConv1d(nn.Module):
    """A kernel for each channel; its weight has the shape of `torch.nn.Conv1d`'s."""

    def __init__(self, channels: int, lattice: Lattice, *, stride: int = 1) -> None:
        super().__init__()
        self.channels, self.lattice, self.stride = channels, lattice, stride
        ordinary = nn.Conv1d(channels, channels, lattice.taps[0], groups=channels, bias=False)
        self.weight = ordinary.weight

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, length] -> [n, channels, length / stride], rounded up."""
        if is_plain_path(x) or self.stride != 1:
            # Written out, so that the exported convolution takes the weight as it is stored.
            return functional.conv1d(
                x,
                self.weight,
                padding=self.lattice.reach,
                dilation=self.lattice.dilation,
                groups=self.channels,
                stride=self.stride,
            )
        offsets = tuple(position[0] for position in self.lattice.positions)
        return depthwise_conv1d(x, self.weight.squeeze(1), offsets)

    def macs(self, outcome: Tensor) -> int:
        """Multiply-accumulates that made this outcome."""
        return outcome.numel() * self.lattice.count

    def extra_repr(self) -> str:
        return f"{self.channels}, {self.lattice}, stride={self.stride}"


@lru_cache(maxsize=256)
def _shifts(offsets: tuple[int, ...], length: int, dtype: torch.dtype) -> Tensor:
    """[taps, length * length]: for each tap the matrix that shifts a row by its offset."""
    # On the CPU, where alone the Toeplitz product is computed, whatever torch's default device is.
    shifts = torch.zeros(len(offsets), length, length, dtype=dtype, device="cpu")
    for shift, offset in zip(shifts, offsets, strict=True):
        if abs(offset) < length:
            shift.diagonal(-offset).fill_(1)
    return shifts.view(len(offsets), -1)


class _ToeplitzProduct(torch.autograd.Function):
    """x [channels, n, length] times each channel's Toeplitz matrix, which backward builds again."""

    @staticmethod
    @custom_fwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, kernel: Tensor, offsets: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.offsets = offsets
        length = x.shape[2]
        matrices = (kernel @ _shifts(offsets, length, x.dtype)).view(-1, length, length)
        return torch.bmm(x, matrices)

    @staticmethod
    @once_differentiable
    @custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(  # type: ignore[override]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None]:
        x, kernel = ctx.saved_tensors
        length = x.shape[2]
        shifts = _shifts(ctx.offsets, length, x.dtype)
        x_gradient = kernel_gradient = None
        if ctx.needs_input_grad[0]:
            matrices = (kernel @ shifts).view(-1, length, length)
            x_gradient = torch.bmm(gradient, matrices.transpose(1, 2))
        if ctx.needs_input_grad[1]:
            products = torch.bmm(x.transpose(1, 2), gradient)
            kernel_gradient = products.view(-1, length * length) @ shifts.t()
        return x_gradient, kernel_gradient, None
