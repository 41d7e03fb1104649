"""Where the taps of a kernel lie, and how kernels of several shapes are computed as few."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

# Samples along each axis beside the output's own position, one number an axis; () for a matrix.
Position = tuple[int, ...]

# Taps. A dilated lattice goes into the dense box around the others where the box takes no more
# than this many taps more: one convolution with idle taps is quicker than two.
_IDLE_TAPS = 32


@dataclass(frozen=True)
class Lattice:
    """Taps at regular distances around the output's position.

    taps: along each axis, >= 1; none for a matrix. dilation: samples between two taps, >= 1.
    An even number of taps reaches one tap further to the right than to the left.
    Raises ValueError for other values or lengths that differ.
    """

    taps: tuple[int, ...]
    dilation: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.taps) != len(self.dilation) or min((*self.taps, *self.dilation), default=1) < 1:
            raise ValueError(
                "taps and dilation must be at least 1, and one of each an axis, "
                f"got {self.taps} and {self.dilation}"
            )

    @property
    def count(self) -> int:
        """Taps in all."""
        return prod(self.taps)

    @property
    def span(self) -> tuple[int, ...]:
        """Samples from the first tap to the last along each axis."""
        return tuple(
            dilation * (taps - 1) for taps, dilation in zip(self.taps, self.dilation, strict=True)
        )

    @property
    def reach(self) -> int:
        """Samples from the output's position to the furthest tap along any axis."""
        return max((span - span // 2 for span in self.span), default=0)

    @property
    def positions(self) -> tuple[Position, ...]:
        """Of every tap, the last axis running fastest, as in a weight of torch."""
        axes = (
            range(-(span // 2), span - span // 2 + 1, dilation)
            for span, dilation in zip(self.span, self.dilation, strict=True)
        )
        return tuple(product(*axes))


@dataclass(frozen=True)
class Support:
    """The taps of several lattices together: the shape of a merged kernel.

    positions: of all taps, each once, in order: the last axis of a kernel float [outputs, inputs /
    groups, positions]. lattices: convolutions that together compute it.
    """

    positions: tuple[Position, ...]
    lattices: tuple[Lattice, ...]

    @classmethod
    def of(cls, lattices: Iterable[Lattice]) -> "Support":
        """The union. Dense lattices become one box; dilated ones join it where that is cheap."""
        given = tuple(dict.fromkeys(lattices))
        positions = tuple(sorted({place for lattice in given for place in lattice.positions}))
        # Of one dilation and phase: the larger one has all taps of the smaller one.
        nested: dict[tuple[tuple[int, ...], tuple[int, ...]], Lattice] = {}
        for lattice in given:
            # A single tap along an axis has no dilation to speak of.
            dilation = tuple(
                1 if taps == 1 else distance
                for taps, distance in zip(lattice.taps, lattice.dilation, strict=True)
            )
            phase = tuple(
                span // 2 % distance for span, distance in zip(lattice.span, dilation, strict=True)
            )
            known = nested.get((dilation, phase))
            taps = lattice.taps if known is None else tuple(map(max, known.taps, lattice.taps))
            nested[dilation, phase] = Lattice(taps, dilation)
        plan: list[Lattice] = []
        for lattice in sorted(nested.values(), key=lambda one: max(one.dilation, default=1)):
            if plan and max(plan[0].dilation) == 1:
                span = map(max, lattice.span, plan[0].span)
                box = Lattice(tuple(samples + 1 for samples in span), plan[0].dilation)
                if box.count - plan[0].count <= min(_IDLE_TAPS, lattice.count):
                    plan[0] = box
                    continue
            plan.append(lattice)
        return cls(positions, tuple(plan))


@lru_cache(maxsize=512)
def places_of(lattice: Lattice, positions: tuple[Position, ...]) -> tuple[int, ...]:
    """For each tap of the lattice its index in positions, len(positions) where it is not there."""
    index = {position: place for place, position in enumerate(positions)}
    return tuple(index.get(position, len(positions)) for position in lattice.positions)


@lru_cache(maxsize=512)
def distinct_places(support: Support, device: torch.device) -> tuple[Tensor | None, ...]:
    """For each lattice of the plan the indices of its taps in a kernel, int64 [taps].

    A position stands in the first lattice that has it; elsewhere, and where no operation has a
    tap, the index is len(positions): a zero. None where the lattice is the kernel as it stands.
    """
    taken: set[int] = set()
    indices: list[Tensor | None] = []
    for lattice in support.lattices:
        places = [
            len(support.positions) if place in taken else place
            for place in places_of(lattice, support.positions)
        ]
        taken.update(place for place in places if place < len(support.positions))
        is_whole = places == list(range(len(support.positions)))
        indices.append(None if is_whole else _index(places, device))
    return tuple(indices)


def transplant(
    kernel: Tensor, source: tuple[Position, ...], target: tuple[Position, ...]
) -> Tensor:
    """A kernel [outputs, inputs, source] at other positions: shared ones copied, the others zero.

    Returns [outputs, inputs, target]; a larger target is a zero-padded kernel, a smaller one a
    cropped one. Keeps nothing of the kernel for the backward pass.
    """
    if source == target:
        return kernel
    return functional.pad(kernel, (0, 1)).index_select(2, _origins(source, target, kernel.device))


@lru_cache(maxsize=512)
def _origins(
    source: tuple[Position, ...], target: tuple[Position, ...], device: torch.device
) -> Tensor:
    """For each target its index in source; len(source) where it is not there."""
    index = {position: place for place, position in enumerate(source)}
    return _index([index.get(position, len(source)) for position in target], device)


def _index(places: Sequence[int], device: torch.device) -> Tensor:
    # It is kept for later calls, which may need it for a gradient.
    with torch.inference_mode(False):
        return torch.tensor(places, device=device)
