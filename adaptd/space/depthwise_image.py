"""Depthwise convolution of images, quick to train on CPU whatever its kernel."""

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.amp import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable
from torch.nn import functional

from adaptd.space.channel_major import is_plain_path
from adaptd.space.lattice import Lattice

# Columns of a kernel whose gradient oneDNN computes at once by its depthwise routine. It has none
# for other widths, nor for dilated kernels, and there takes 5 to 20 times as long a tap: for 64
# images of 16 x 14 x 14, one thread, AVX2, 2.4 ms for 7 x 7 taps against 0.25 ms for 7 x 3.
_STRIP = 3

# Samples from the first tap of a dilated kernel to the last one, from where on oneDNN's routine
# takes 10 to 50 times as long as the phases by themselves: 8.8 ms against 1.3 for 5 taps, 3 apart.
_LONG_DILATED_SPAN = 10


def depthwise_conv2d(x: Tensor, kernel: Tensor, lattice: Lattice) -> Tensor:
    """out[:, c, i] = sum over taps t of kernel[c, 0, t] * x[:, c, i + t], zero beyond the ends.

    x: float32 [n, channels, height, width]; kernel: float32 [channels, 1, *lattice.taps], an odd
    number of taps along either axis. Returns float32 of the shape and layout of x.
    Keeps for the backward pass no more than x and kernel.
    """
    return cast(Tensor, _DepthwiseConv2d.apply(x, kernel, lattice))  # type: ignore[no-untyped-call]


def is_quicker(x: Tensor, lattice: Lattice) -> bool:
    """Whether `depthwise_conv2d` is the quicker way for x, float [n, channels, height, width]."""
    return (
        x.dtype == torch.float32
        and not is_plain_path(x)
        and torch.is_grad_enabled()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and all(taps % 2 == 1 for taps in lattice.taps)
        and (lattice.taps[1] > _STRIP or max(lattice.dilation) > 1)
    )


class DepthwiseConv2d(nn.Conv2d):
    """A kernel for each channel, without bias, each axis divided by the stride, rounded up.

    lattice: an odd number of taps along either axis.
    """

    def __init__(self, channels: int, lattice: Lattice, *, stride: int = 1) -> None:
        super().__init__(
            channels,
            channels,
            lattice.taps,  # type: ignore[arg-type]
            stride=stride,
            padding=tuple(span // 2 for span in lattice.span),  # type: ignore[arg-type]
            dilation=lattice.dilation,  # type: ignore[arg-type]
            groups=channels,
            bias=False,
        )
        self.lattice = lattice

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, height, width] -> the same, each axis divided by the stride."""
        if self.stride == (1, 1) and is_quicker(x, self.lattice):
            return depthwise_conv2d(x, self.weight, self.lattice)
        return super().forward(x)


class _DepthwiseConv2d(torch.autograd.Function):
    """torch's convolution forwards and, with the kernel turned round, backwards; only the gradient
    of the kernel is computed in another way."""

    @staticmethod
    @custom_fwd(device_type="cpu", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
    def forward(ctx: Any, x: Tensor, kernel: Tensor, lattice: Lattice) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.lattice = lattice
        return _convolve(_channels_last(x), kernel, lattice).contiguous(memory_format=_layout(x))

    @staticmethod
    @once_differentiable
    @custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(  # type: ignore[override]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None]:
        x, kernel = ctx.saved_tensors
        gradient = _channels_last(gradient)
        x_gradient = kernel_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = _convolve(gradient, kernel.flip(2, 3), ctx.lattice)
        if ctx.needs_input_grad[1]:
            dilation, taps = ctx.lattice.dilation, ctx.lattice.taps
            phases = _phases(_channels_last(x), dilation), _phases(gradient, dilation)
            kernel_gradient = _kernel_gradient(*phases, taps)
        return x_gradient, kernel_gradient, None


def _layout(x: Tensor) -> torch.memory_format:
    is_last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _convolve(x: Tensor, kernel: Tensor, lattice: Lattice) -> Tensor:
    if max(lattice.dilation) > 1 and max(lattice.span) >= _LONG_DILATED_SPAN:
        plain = Lattice(lattice.taps, (1, 1))
        return _joined(_convolve(_phases(x, lattice.dilation), kernel, plain), x, lattice.dilation)
    return functional.conv2d(
        x,
        kernel,
        padding=tuple(span // 2 for span in lattice.span),
        dilation=lattice.dilation,
        groups=len(kernel),
    )


def _phases(x: Tensor, dilation: tuple[int, ...]) -> Tensor:
    """Every so many-th row and column as an image of its own: [n * phases, channels, *axes'].

    Padded with zeros to whole phases. A dilated convolution is a plain one of each phase.
    """
    rows, columns = dilation
    if rows == columns == 1:
        return x
    n, channels, height, width = x.shape
    x = functional.pad(x, (0, -width % columns, 0, -height % rows))
    parts = x.permute(0, 2, 3, 1).reshape(
        n, x.shape[2] // rows, rows, x.shape[3] // columns, columns, channels
    )
    return parts.permute(0, 2, 4, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)


def _joined(phases: Tensor, x: Tensor, dilation: tuple[int, ...]) -> Tensor:
    """Undoes `_phases`; x: of the shape that entered it."""
    n, channels, height, width = x.shape
    parts = phases.permute(0, 2, 3, 1).reshape(n, *dilation, *phases.shape[2:], channels)
    whole = parts.permute(0, 3, 1, 4, 2, 5).flatten(3, 4).flatten(1, 2)[:, :height, :width]
    return _channels_last(whole.permute(0, 3, 1, 2))


def _kernel_gradient(x: Tensor, gradient: Tensor, taps: tuple[int, ...]) -> Tensor:
    """Of an undilated kernel [channels, 1, *taps]: strip by strip, from x moved sideways."""
    channels, height, width = x.shape[1:]
    rows, columns = (count // 2 for count in taps)
    # oneDNN's routine takes no kernel that is higher than the image.
    inside = rows if taps[0] <= height else 0
    outside = rows - inside
    # The middle strip reads x as it is; the outermost ones may have columns that are not wanted.
    reach = _STRIP // 2
    reach += -(-(columns - reach) // _STRIP) * _STRIP
    strips = []
    for first in range(-reach, reach + 1, _STRIP):
        last = first + _STRIP - 1
        if first >= width or last <= -width:
            # These taps see nothing but what lies beyond the ends.
            strips.append(x.new_zeros(channels, 1, taps[0], _STRIP))
            continue
        is_middle = first == -last
        sides = (0, 0) if is_middle else (-first, last)
        _, strip, _ = torch.ops.aten.convolution_backward.default(
            gradient,
            functional.pad(x, (*sides, outside, outside)) if outside or not is_middle else x,
            x.new_empty(channels, 1, taps[0], _STRIP),
            None,
            [1, 1],
            [inside, last if is_middle else 0],
            [1, 1],
            False,
            [0, 0],
            channels,
            [False, True, False],
        )
        strips.append(strip)
    whole = torch.cat(strips, 3)
    return whole[..., reach - columns : reach + columns + 1]
