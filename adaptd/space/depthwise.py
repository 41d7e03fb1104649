"""Depthwise convolution with taps at any offsets, quick for sequences on CPU."""

from functools import lru_cache
from math import gcd
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.nn import functional

from adaptd.space.channel_major import is_plain_path, rows
from adaptd.space.lattice import Lattice
from adaptd.space.trace import Counted

# Samples. A Toeplitz product costs length^2 a channel, so longer sequences are cut into blocks that
# see as much of their neighbours as the kernel reaches, up to one block at either side. Forward and
# backward of 64 records of 16 channels, one thread, AVX2: at 64 samples 1.0 ms whatever the taps,
# against 1.0 (3 taps) to 7.6 ms (17 taps) of torch's depthwise convolution; at 256, in blocks, 3.3
# to 6.2 against 3.1 to 17. Where taps lie further out, blocks see little but each other: at 1024
# samples and five taps, 64 apart, 178 ms against 38.
_WHOLE = 64
_BLOCK = 32


def depthwise_conv1d(x: Tensor, kernel: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """out[:, c, i] = sum over t of kernel[c, t] * x[:, c, i + offsets[t]], zero beyond the ends.

    x: float [n, channels, length]; kernel: float [channels, taps]; offsets: samples, one a tap.
    Returns float [n, channels, length]. Keeps for the backward pass no more than x and kernel. Can
    be differentiated twice.
    """
    if is_quick(x, offsets):
        return cast(Tensor, _ToeplitzProduct.apply(x, kernel, offsets))  # type: ignore[no-untyped-call]
    reach, step = max(map(abs, offsets)), gcd(*offsets) or 1
    even = tuple(range(-reach, reach + 1, step))
    if offsets != even:
        # Taps at uneven distances are an even kernel with zeros between them.
        places = torch.tensor([even.index(offset) for offset in offsets], device=x.device)
        kernel = kernel.new_zeros(len(kernel), len(even)).index_copy(1, places, kernel)
    return functional.conv1d(
        x, kernel.unsqueeze(1), padding=reach, dilation=step, groups=len(kernel)
    )


def is_quick(x: Tensor, offsets: tuple[int, ...]) -> bool:
    """Whether the Toeplitz product is the quicker way for x, float [n, channels, length]."""
    return not is_plain_path(x) and (x.shape[2] <= _WHOLE or max(map(abs, offsets)) <= _BLOCK)


class DepthwiseConv1d(nn.Module, Counted):
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


class _ToeplitzProduct(torch.autograd.Function):
    """Each block of a row, with what its kernel sees beside it, times its channel's matrix.

    The matrices are built again for the backward pass, and the blocks are cut again.
    """

    @staticmethod
    @custom_fwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, kernel: Tensor, offsets: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.offsets = offsets
        return _product(x, kernel, offsets)

    @staticmethod
    @custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, kernel = ctx.saved_tensors
        x_gradient = kernel_gradient = None
        if ctx.needs_input_grad[0]:
            turned = tuple(-offset for offset in ctx.offsets)
            x_gradient = _product(gradient, kernel, turned)
        if ctx.needs_input_grad[1]:
            cut = _Cut.of(x.shape[2], ctx.offsets)
            products = cut.seen(x).transpose(1, 2) @ cut.own(gradient)
            kernel_gradient = products.flatten(1) @ cut.shifts(ctx.offsets, x.dtype).t()
        return x_gradient, kernel_gradient, None


def _product(x: Tensor, kernel: Tensor, offsets: tuple[int, ...]) -> Tensor:
    cut = _Cut.of(x.shape[2], offsets)
    matrices = (kernel @ cut.shifts(offsets, kernel.dtype)).view(-1, cut.width, cut.block)
    blocks = cut.seen(x) @ matrices.to(x.dtype)
    cut_length = -(-x.shape[2] // cut.block) * cut.block
    return blocks.view(len(kernel), len(x), cut_length)[..., : x.shape[2]].transpose(0, 1)


class _Cut(NamedTuple):
    """How rows are cut: into blocks of so many samples, each seeing `reach` more at either side."""

    block: int
    reach: int

    @classmethod
    def of(cls, length: int, offsets: tuple[int, ...]) -> "_Cut":
        return cls(length, 0) if length <= _WHOLE else cls(_BLOCK, max(map(abs, offsets)))

    @property
    def width(self) -> int:
        """Samples that a block sees."""
        return self.block + 2 * self.reach

    def seen(self, x: Tensor) -> Tensor:
        """[n, channels, length] -> what each block sees, [channels, n * blocks, width]."""
        columns, missing = rows(x), -x.shape[2] % self.block
        if self.reach or missing:
            columns = functional.pad(columns, (self.reach, self.reach + missing))
            columns = columns.unfold(2, self.width, self.block)
        return columns.reshape(x.shape[1], -1, self.width)

    def own(self, x: Tensor) -> Tensor:
        """[n, channels, length] -> the blocks alone, [channels, n * blocks, block]."""
        return _Cut(self.block, 0).seen(x)

    def shifts(self, offsets: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """[taps, width * block]: for each tap the matrix that takes a block from what it sees."""
        return _shifts(offsets, self, dtype)


@lru_cache(maxsize=256)
def _shifts(offsets: tuple[int, ...], cut: _Cut, dtype: torch.dtype) -> Tensor:
    # A tensor of inference mode could not serve a later training step. On the CPU, where alone the
    # Toeplitz product is computed, whatever torch's default device is.
    with torch.inference_mode(False):
        shifts = torch.zeros(len(offsets), cut.width, cut.block, dtype=dtype, device="cpu")
        for shift, offset in zip(shifts, offsets, strict=True):
            if abs(offset) < cut.width:
                shift.diagonal(-(offset + cut.reach)).fill_(1)
        return shifts.flatten(1)
