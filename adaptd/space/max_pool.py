"""Max pooling that keeps for the backward pass a byte or two for each output, and no activation."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from adaptd.space.channel_major import is_plain_path


def max_pool(x: Tensor, taps: int, stride: int) -> Tensor:
    """The largest of so many samples along each axis around every stride-th one.

    x: float [n, channels, *axes], one axis or two; taps: odd. Returns float [n, channels, *axes'],
    each axis divided by the stride, rounded up.
    """
    if is_plain_path(x) or not (torch.is_grad_enabled() and x.requires_grad):
        pool = functional.max_pool1d if x.ndim == 3 else functional.max_pool2d
        return pool(x, taps, stride, taps // 2)
    if x.ndim == 4:
        return cast(Tensor, _MaxPool.apply(x, (taps, taps), stride))  # type: ignore[no-untyped-call]
    pooled = cast(Tensor, _MaxPool.apply(x.unsqueeze(2), (1, taps), stride))  # type: ignore[no-untyped-call]
    return pooled.squeeze(2)


class _MaxPool(torch.autograd.Function):
    """torch keeps the input and an index of eight bytes; the place alone is enough."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, taps: tuple[int, int], stride: int) -> Tensor:
        ctx.window = (taps, (1 if taps[0] == 1 else stride, stride), (taps[0] // 2, taps[1] // 2))
        ctx.shape = x.shape
        ctx.is_channels_last = x.is_contiguous(memory_format=torch.channels_last)
        outcome, indices = functional.max_pool2d(x, *ctx.window, return_indices=True)
        ctx.save_for_backward(indices.to(_narrowest(x.shape[2] * x.shape[3])))
        return outcome

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (indices,) = ctx.saved_tensors
        layout = torch.channels_last if ctx.is_channels_last else torch.contiguous_format
        # Of the input only the shape and the layout are read.
        like = gradient.new_empty(ctx.shape).contiguous(memory_format=layout)
        gradient = torch.ops.aten.max_pool2d_with_indices_backward.default(
            gradient.contiguous(memory_format=layout),
            like,
            *ctx.window,
            [1, 1],
            False,
            indices.to(torch.int64),
        )
        return gradient, None, None


def _narrowest(positions: int) -> torch.dtype:
    if positions <= 2**8:
        return torch.uint8
    return torch.int16 if positions <= 2**15 else torch.int32
