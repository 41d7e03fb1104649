"""`MergedKernel`: the weighted sum of several linear operations, as one kernel."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from adaptd.space.inherit import gaussian, kernel_size
from adaptd.space.lattice import Position, Support, transplant
from adaptd.space.operation import LinearOperation
from adaptd.space.remade import remade, scaled
from adaptd.space.site import Site


class MergedKernel(nn.Module):
    """sum over i of weight_i * kernel_i on the union of the operations' taps.

    The operations stand between the same parts of one site and are linear, so that their weighted
    sum is one convolution (or matrix): whatever their number, a training step keeps the
    activations of one. Each inherits what it can of the kernel that was deployed.

    inherited: float [outputs, inputs / groups, positions]. noise: standard deviation, as a share of
    the inherited kernel's, of what is added to the kernels of the operations that are not
    `deployed`; without any, those with the same taps could never come apart.
    """

    mask: Tensor

    def __init__(
        self,
        site: Site,
        operations: Sequence[LinearOperation],
        inherited: Tensor,
        positions: tuple[Position, ...],
        *,
        deployed: LinearOperation | None,
        noise: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.site = site
        self.operations = tuple(operations)
        lattices = [operation.lattice(site) for operation in operations]
        self.support = Support.of(lattices)
        deviation = noise * kernel_size(inherited)
        kernels, masks = [], []
        structured: list[nn.Module] = []
        # Which operations have a kernel of their own, tap for tap, and which make it of parts.
        self._free = [place for place, one in enumerate(self.operations) if one.is_free]
        self._made = [place for place, one in enumerate(self.operations) if not one.is_free]
        for operation, lattice in zip(self.operations, lattices, strict=True):
            kernel = transplant(inherited, positions, lattice.positions)
            if operation != deployed:
                kernel = kernel + deviation * gaussian(kernel, generator)
            if operation.is_free:
                kernels.append(transplant(kernel, lattice.positions, self.support.positions))
                has_tap = set(lattice.positions)
                masks.append([float(place in has_tap) for place in self.support.positions])
            else:
                module = operation.kernel_module(site).to(kernel.device, kernel.dtype)
                operation.project(site, module, kernel)
                structured.append(module)
        self.structured = nn.ModuleList(structured)
        self.kernels = nn.Parameter(torch.stack(kernels)) if kernels else None
        self.register_buffer(
            "mask",
            inherited.new_tensor(masks).view(len(masks), 1, 1, len(self.support.positions)),
            persistent=False,
        )

    def forward(self, weights: Tensor) -> Tensor:
        """weights: float [operations] -> float [outputs, inputs / groups, support.positions]."""
        return remade(lambda: self._sum(weights), (weights, *self.parameters()))

    def _sum(self, weights: Tensor) -> Tensor:
        # Alphas are never of half precision; kernels may be.
        weights = weights.to(self.mask)
        total: Tensor | None = None
        if self.kernels is not None:
            of_free = weights if not self._made else weights[self._free]
            total = ((of_free.view(-1, 1, 1, 1) * self.mask) * self.kernels).sum(0)
        for place, module in zip(self._made, self.structured, strict=True):
            operation, positions = self.operations[place], self.support.positions
            part = scaled(
                weights[place],
                partial(operation.kernel, self.site, module),
                tuple(module.parameters()),
            )
            part = transplant(part, operation.lattice(self.site).positions, positions)
            total = part if total is None else total + part
        if total is None:
            raise ValueError("a merged kernel has at least one operation")
        return total
