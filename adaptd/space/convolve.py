"""A convolution whose taps lie where several operations have theirs."""

import torch
from torch import Tensor
from torch.nn import functional

from adaptd.space.depthwise import depthwise_conv1d, is_quick
from adaptd.space.depthwise_image import depthwise_conv2d, is_quicker
from adaptd.space.lattice import Support, distinct_places

_CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def convolve(
    x: Tensor,
    kernel: Tensor,
    support: Support,
    *,
    stride: tuple[int, ...],
    slack: tuple[int, ...],
    groups: int,
) -> Tensor:
    """out[:, o, i] = sum over inputs c and taps t of kernel[o, c, t] * x[:, c, i * stride + t].

    x: float [n, channels, *axes], zero beyond its ends. kernel: float [outputs, channels / groups,
    len(support.positions)]. slack: samples of padding along each axis beyond half of the kernel's
    span; 0 keeps the length at stride 1 where that is even. Returns float [n, outputs, *axes'].
    Keeps for the backward pass no more than x and kernel, whatever the number of lattices.
    """
    axes = len(stride)
    # An even number of taps has no middle: padded by half of its span it gives one sample fewer.
    is_odd = all(span % 2 == 0 for lattice in support.lattices for span in lattice.span)
    is_plain = all(step == 1 for step in stride) and not any(slack) and is_odd
    is_depthwise = is_plain and groups == x.shape[1] == len(kernel)
    if axes == 1 and is_depthwise:
        offsets = tuple(position[0] for position in support.positions)
        if is_quick(x, offsets):
            return depthwise_conv1d(x, kernel.squeeze(1), offsets)
    total: Tensor | None = None
    padded: Tensor | None = None
    for lattice, places in zip(
        support.lattices, distinct_places(support, kernel.device), strict=True
    ):
        taps = kernel
        if places is not None:
            if padded is None:
                padded = torch.cat((kernel, kernel.new_zeros(*kernel.shape[:2], 1)), 2)
            taps = padded.index_select(2, places)
        taps = taps.reshape(*kernel.shape[:2], *lattice.taps)
        if axes == 2 and is_depthwise and is_quicker(x, lattice):
            part = depthwise_conv2d(x, taps, lattice)
        else:
            part = _CONVOLUTIONS[axes](
                x,
                taps,
                stride=stride,
                padding=tuple(
                    extra + span // 2 for extra, span in zip(slack, lattice.span, strict=True)
                ),
                dilation=lattice.dilation,
                groups=groups,
            )
        total = part if total is None else total + part
    if total is None:
        raise ValueError("a support has at least one lattice")
    return total
