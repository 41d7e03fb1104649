"""Kernels that are made again for the backward pass instead of kept.

A convolution keeps its kernel for the gradient of its input. That of a layer is a parameter; one
that is merged of several would be one more tensor of that size for each open edge, and each
candidate's own kernel another where it is made of parts.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from adaptd.space.convolve import convolve
from adaptd.space.lattice import Support, distinct_places

Make = Callable[[], Tensor]
_RECIPE = "_made_by"


def remade(make: Make, sources: Sequence[Tensor]) -> Tensor:
    """make(), which `product` and `convolution` call again for their backward pass.

    sources: all that the kernel is made of; to change one between the passes is an error.
    """
    kernel = make()
    if kernel.requires_grad:
        vars(kernel)[_RECIPE] = (make, tuple(sources))
    return kernel


def scaled(weight: Tensor, make: Make, sources: Sequence[Tensor]) -> Tensor:
    """weight * make(), of which the scalar weight and the sources are kept."""
    kernel = make()
    if not kernel.requires_grad:
        return weight * kernel
    return cast(Tensor, _Scaled.apply(weight, kernel, make, *sources))  # type: ignore[no-untyped-call]


def product(x: Tensor, kernel: Tensor) -> Tensor:
    """float [n, …, inputs] times a kernel [outputs, inputs, 1] -> float [n, …, outputs]."""
    if _RECIPE not in vars(kernel):
        return functional.linear(x, kernel.squeeze(2))
    make, sources = vars(kernel)[_RECIPE]
    return cast(Tensor, _Product.apply(x, kernel, make, *sources))  # type: ignore[no-untyped-call]


def convolution(
    x: Tensor,
    kernel: Tensor,
    support: Support,
    *,
    stride: tuple[int, ...],
    slack: tuple[int, ...],
    groups: int,
) -> Tensor:
    """What `convolve` gives."""
    # A kernel of one channel after the other is small beside whatever it is applied to.
    if kernel.shape[1] == 1 or _RECIPE not in vars(kernel):
        return convolve(x, kernel, support, stride=stride, slack=slack, groups=groups)
    make, sources = vars(kernel)[_RECIPE]
    outcome = _Convolution.apply(  # type: ignore[no-untyped-call]
        x, kernel, make, (support, stride, slack, groups), *sources
    )
    return cast(Tensor, outcome)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, kernel: Tensor, make: Make, *sources: Tensor) -> Tensor:
        ctx.save_for_backward(weight, *sources)
        ctx.make = make
        return weight * kernel

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, *sources = ctx.saved_tensors
        of_weight = (gradient * ctx.make()).sum() if ctx.needs_input_grad[0] else None
        return of_weight, weight * gradient, None, *(None for _ in sources)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, make: Make, *sources: Tensor) -> Tensor:
        ctx.save_for_backward(x, *sources)
        ctx.make = make
        return functional.linear(x, kernel.squeeze(2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *sources = ctx.saved_tensors
        # Under autocast what entered is of another dtype than what left.
        matrix = ctx.make().squeeze(2).to(gradient.dtype)
        of_x = gradient @ matrix if ctx.needs_input_grad[0] else None
        columns = gradient.flatten(0, -2).t()
        of_kernel = (columns @ x.flatten(0, -2).to(gradient.dtype)).unsqueeze(2)
        return of_x, of_kernel, None, *(None for _ in sources)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: Tensor, make: Make, settings: Any, *sources: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, *sources)
        ctx.make, ctx.settings = make, settings
        support, stride, slack, groups = settings
        return convolve(x, kernel, support, stride=stride, slack=slack, groups=groups)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *sources = ctx.saved_tensors
        support, stride, slack, groups = ctx.settings
        kernel = ctx.make().to(gradient.dtype)
        padded = functional.pad(kernel, (0, 1))
        of_x: Tensor | None = None
        of_padded = torch.zeros_like(padded)
        for lattice, places in zip(
            support.lattices, distinct_places(support, kernel.device), strict=True
        ):
            taps = kernel if places is None else padded.index_select(2, places)
            part, of_taps, _ = torch.ops.aten.convolution_backward(
                gradient,
                x.to(gradient.dtype),
                taps.reshape(*kernel.shape[:2], *lattice.taps),
                None,
                stride,
                [extra + span // 2 for extra, span in zip(slack, lattice.span, strict=True)],
                lattice.dilation,
                False,
                [0] * len(stride),
                groups,
                [ctx.needs_input_grad[0], True, False],
            )
            of_x = part if of_x is None else of_x + part
            if places is None:
                of_padded[..., :-1] += of_taps.flatten(2)
            else:
                of_padded.index_add_(2, places, of_taps.flatten(2))
        return of_x, of_padded[..., :-1], None, None, *(None for _ in sources)
