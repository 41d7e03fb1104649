"""What one module can take over from another of a like shape."""

import torch
from torch import Tensor, nn

from adaptd.space.lattice import transplant
from adaptd.space.operation import LinearOperation, Operation
from adaptd.space.site import Site


def inherit(
    site: Site,
    before: Operation,
    source: nn.Module,
    after: Operation,
    successor: nn.Module,
    *,
    noise: float = 0.0,
    generator: torch.Generator | None = None,
) -> None:
    """Gives a fresh module of one operation what it can use of another that stood on its edge.

    Between linear operations the kernel goes over tap by tap, and all that they share as it is;
    otherwise `overlay`. noise: standard deviation of what is added to the kernel, as a share of its
    own; generator: its source, None for torch's global one.
    """
    if not (isinstance(before, LinearOperation) and isinstance(after, LinearOperation)):
        overlay(successor, source)
        return
    with torch.no_grad():
        old = before.kernel(site, site.kernel_module_of(source))
        kernel = transplant(old, before.lattice(site).positions, after.lattice(site).positions)
        if noise:
            kernel = kernel + noise * kernel_size(old) * gaussian(kernel, generator)
        after.project(site, site.kernel_module_of(successor), kernel)
    site.frame_of(successor).load_state_dict(site.frame_of(source).state_dict())


def kernel_size(kernel: Tensor) -> float:
    """Root mean square, or that of a fresh kernel where all is zero."""
    size = float(kernel.square().mean().sqrt())
    return size if size > 0 else float((kernel.shape[1] * kernel.shape[2]) ** -0.5)


def gaussian(kernel: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal numbers of the kernel's shape, drawn where the generator is."""
    device = "cpu" if generator is None else generator.device
    return torch.randn(kernel.shape, generator=generator, device=device).to(kernel)


def overlay(successor: nn.Module, source: nn.Module) -> None:
    """Copies each parameter and buffer that both have by name, as far as their shapes overlap.

    Leading axes (channels) from the start, kernels' axes from the middle: a larger kernel is the
    old one in zeros, a smaller one its centre. What only the successor has keeps its values.
    Sources: Chen et al. 2016, "Net2Net"; Fang et al. 2020, "FNA".
    """
    known = dict(source.state_dict())
    with torch.no_grad():
        for name, tensor in successor.state_dict(keep_vars=True).items():
            inherited = known.get(name)
            if inherited is not None and inherited.ndim == tensor.ndim:
                _copy(tensor.data, inherited)


def _copy(target: Tensor, source: Tensor) -> None:
    if target.shape == source.shape:
        target.copy_(source)
        return
    places, origins = [], []
    for axis, (size, other) in enumerate(zip(target.shape, source.shape, strict=True)):
        shared = min(size, other)
        is_kernel = axis >= 2 and (size - other) % 2 == 0
        first = (size - shared) // 2 if is_kernel else 0
        origin = (other - shared) // 2 if is_kernel else 0
        places.append(slice(first, first + shared))
        origins.append(slice(origin, origin + shared))
    if target.ndim > 2 and target.shape[2:] != source.shape[2:]:
        channels = tuple(places[:2])
        target[channels] = 0
    target[tuple(places)] = source[tuple(origins)]
