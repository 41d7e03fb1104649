"""`MixedEdge`: an edge that is several operations at once."""

import random
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.edges import Edge
from adaptd.space.inherit import inherit, overlay
from adaptd.space.merged import MergedKernel
from adaptd.space.operation import LinearOperation, Operation
from adaptd.space.placed import Placed
from adaptd.space.recompute import recomputed
from adaptd.space.relaxation import Relaxation
from adaptd.space.settled import settled
from adaptd.space.site import Frame

# Index of the merged kernel among the paths; branches count from 0.
CORE = -1

# Of a path whose weight is lost in float32: a clock needs a rate.
_LEAST_CHANCE = 1e-12


class MixedEdge(nn.Module):
    """sum over i of softmax(alpha)_i * operation_i(x).

    All linear candidates are one kernel inside the deployed edge's frame (its *core*), weighed
    among themselves; each other candidate is a *branch* of its own, of which a training step draws
    as many as the relaxation says. In evaluation all are computed.

    alpha: float [candidates], shared by tied edges; `lead` is added to it, so that tied edges can
    start from different operations.
    Raises ValueError if what is deployed is no candidate or a candidate does not fit.
    """

    lead: Tensor

    def __init__(
        self,
        edge: Edge,
        deployed: nn.Module,
        candidates: tuple[Operation, ...],
        alpha: nn.Parameter,
        *,
        relaxation: Relaxation,
        noise: float,
        generator: torch.Generator,
        draws: random.Random,
    ) -> None:
        super().__init__()
        if edge.operation not in candidates:
            raise ValueError(
                f"the deployed operation {edge.operation} must be among the candidates "
                f"{[str(candidate) for candidate in candidates]} of {edge.name!r}"
            )
        for candidate in candidates:
            if not candidate.fits(edge.site):
                raise ValueError(f"{candidate} does not fit edge {edge.name!r}: {edge.site}")
        self.edge = edge
        self.candidates = candidates
        self.alpha = alpha
        self.register_buffer("lead", torch.zeros_like(alpha.detach()))
        self.relaxation = relaxation
        self._draws = draws
        # Paths that a training step takes instead of drawn ones, to measure what they keep.
        self.forced: tuple[int, ...] | None = None
        # Weights in place of the alphas' own, float [candidates], to measure what each is worth.
        self.gates: Tensor | None = None
        # Place of a candidate -> chance that a training step does without it.
        self.drop_rates: dict[int, float] = {}
        # Weight of what enters, beside the sum. Both are a search's guards' to set and take back.
        self.bypass = 0.0
        linear = [
            candidate
            for candidate in candidates
            if relaxation.merge and isinstance(candidate, LinearOperation)
        ]
        self._core_places = [candidates.index(candidate) for candidate in linear]
        self._branch_places = [
            place for place, one in enumerate(candidates) if place not in self._core_places
        ]
        self.frame: Frame | None = None
        self.kernel: MergedKernel | None = None
        if linear:
            self._open_core(linear, deployed, noise=noise, generator=generator)
        self.branches = nn.ModuleList(
            self._branch(candidates[place], deployed, noise=noise, generator=generator)
            for place in self._branch_places
        )

    def _open_core(
        self,
        linear: list[LinearOperation],
        deployed: nn.Module,
        *,
        noise: float,
        generator: torch.Generator,
    ) -> None:
        site, operation = self.edge.site, self.edge.operation
        if isinstance(operation, LinearOperation):
            source, module = operation, deployed
        else:
            source = linear[0]
            module = settled(site.place(source), deployed)
        self.frame = site.frame_of(module)
        with torch.no_grad():
            inherited = source.kernel(site, site.kernel_module_of(module)).detach().clone()
        self.kernel = MergedKernel(
            site,
            linear,
            inherited,
            source.lattice(site).positions,
            deployed=source,
            noise=noise,
            generator=generator,
        )

    def _branch(
        self,
        candidate: Operation,
        deployed: nn.Module,
        *,
        noise: float,
        generator: torch.Generator,
    ) -> nn.Module:
        site, operation = self.edge.site, self.edge.operation
        if candidate == operation:
            return deployed
        share = self.relaxation.channel_share
        if share > 1 and isinstance(site, CellSite) and site.channels % share == 0:
            narrow = replace(site, channels=site.channels // share)
            if candidate.fits(narrow):
                branch = settled(narrow.place(candidate), deployed)
                overlay(branch, deployed)
                return branch
        branch = settled(site.place(candidate), deployed)
        inherit(site, operation, deployed, candidate, branch, noise=noise, generator=generator)
        return branch

    @property
    def merged_share(self) -> float:
        """Share of the candidates that are part of the one kernel."""
        return len(self._core_places) / len(self.candidates)

    def weights(self) -> Tensor:
        """float [candidates], summing to 1."""
        if self.gates is not None:
            return self.gates
        return functional.softmax(self.alpha + self.lead, 0)

    def core_weight(self, weights: Tensor) -> Tensor:
        """The summed weight of all merged candidates, a scalar."""
        return weights[self._core_places].sum() if self.branches else weights.sum()

    def core_weights(self, weights: Tensor | None = None) -> Tensor:
        """Of the merged candidates alone, rescaled to sum to 1."""
        weights = self.weights() if weights is None else weights
        if not self.branches:
            return weights
        of_core = weights[self._core_places]
        return of_core / of_core.sum().clamp_min(torch.finfo(of_core.dtype).tiny)

    def merged_kernel(self, weights: Tensor) -> Tensor:
        """Of the core, float [outputs, inputs / groups, positions of the support]."""
        if self.kernel is None:
            raise ValueError(f"edge {self.edge.name!r} has no linear candidate")
        kernel: Tensor = self.kernel(self.core_weights(weights))
        return kernel

    def forward(self, x: Tensor) -> Tensor:
        """What the edge's site takes -> what it gives."""
        weights = self.weights()
        if self.training and self.drop_rates:
            weights = self._thinned(weights)
        paths = self._draw(weights) if self.branches else ((CORE, None),)
        outcome = self._run(x, weights, paths)
        return outcome + self.bypass * x if self.bypass else outcome

    def _thinned(self, weights: Tensor) -> Tensor:
        """Each that may be dropped is either zero or so much larger that its mean stays."""
        factors = [1.0] * len(self.candidates)
        for place, rate in self.drop_rates.items():
            factors[place] = 0.0 if self._draws.random() < rate else 1 / (1 - rate)
        return weights * weights.new_tensor(factors)

    def _run(
        self, x: Tensor, weights: Tensor, paths: tuple[tuple[int, Tensor | None], ...]
    ) -> Tensor:
        if not (self.relaxation.checkpoint and self.training and torch.is_grad_enabled()):
            return self._sum(x, weights, paths)
        return recomputed(self, self._sum, x, weights, paths)

    def _sum(
        self, x: Tensor, weights: Tensor, paths: tuple[tuple[int, Tensor | None], ...]
    ) -> Tensor:
        total: Tensor | None = None
        for path, coefficient in paths:
            if coefficient is None:
                part = self.path(x, path, weights)
            elif path == CORE:
                if self.frame is None or self.kernel is None:
                    raise ValueError(f"edge {self.edge.name!r} has no linear candidate")
                part = self.frame.weighed(
                    x, self.merged_kernel(weights), self.kernel.support, coefficient
                )
            else:
                part = self._weighed_branch(x, self.branches[path], coefficient)
            total = part if total is None else total + part
        if total is None:
            raise ValueError(f"no path of {self.edge.name!r} was drawn")
        return total

    def _weighed_branch(self, x: Tensor, branch: nn.Module, coefficient: Tensor) -> Tensor:
        # Without a weight to learn it is cheaper to compute twice than to keep.
        is_cheap = next(branch.parameters(), None) is None
        if not (is_cheap and self.training and torch.is_grad_enabled()):
            return coefficient * run_branch(branch, x)
        return recomputed(
            branch, lambda x, coefficient: coefficient * run_branch(branch, x), x, coefficient
        )

    def path(self, x: Tensor, path: int, weights: Tensor) -> Tensor:
        """One path alone: CORE, or the number of a branch."""
        if path == CORE:
            if self.frame is None or self.kernel is None:
                raise ValueError(f"edge {self.edge.name!r} has no linear candidate")
            return self.frame(x, self.merged_kernel(weights), self.kernel.support)  # type: ignore[no-any-return]
        return run_branch(self.branches[path], x)

    def is_narrow(self, branch: nn.Module) -> bool:
        """Whether the branch sees only the first of the channels."""
        site = self.edge.site
        return isinstance(site, CellSite) and _channels(branch) != site.channels

    @property
    def branch_places(self) -> dict[Operation, int]:
        """Candidate -> its number among the branches."""
        return {self.candidates[place]: n for n, place in enumerate(self._branch_places)}

    def _draw(self, weights: Tensor) -> tuple[tuple[int, Tensor | None], ...]:
        """Which paths this step computes, and the factor of each."""
        options = list(range(len(self.branches)))
        masses = [weights[place] for place in self._branch_places]
        if self.frame is not None:
            options, masses = [CORE, *options], [self.core_weight(weights), *masses]
        relaxation = self.relaxation
        paths = relaxation.paths
        if not self.training or paths is None or paths >= len(options):
            return tuple(zip(options, masses, strict=True))
        if relaxation.is_exclusive:
            return self._exclusive(options, masses, paths)
        fixed: list[tuple[int, Tensor | None]] = []
        if self.frame is not None:
            fixed, options, masses = [(CORE, masses[0])], options[1:], masses[1:]
        values = [float(mass.detach()) for mass in masses]
        whole = sum(values)
        if whole <= 0:
            return tuple(fixed)
        places = self._draws.choices(range(len(options)), values, k=paths)
        if self.forced is not None:
            places = [options.index(path) for path in self.forced if path != CORE]
        for drawn in places:
            # Divided by its own chance, so that expectation and gradient are those of the sum.
            chance = values[drawn] / whole
            fixed.append((options[drawn], masses[drawn] / (chance * paths)))
        return tuple(fixed)

    def _exclusive(
        self, options: list[int], masses: list[Tensor], paths: int
    ) -> tuple[tuple[int, Tensor | None], ...]:
        values = [max(float(mass.detach()), _LEAST_CHANCE) for mass in masses]
        # Without replacement, as the largest of log w + Gumbel's noise are: the first of so many
        # clocks that ring at these rates (Efraimidis & Spirakis 2006).
        ringing = [self._draws.expovariate(value) for value in values]
        chosen = sorted(sorted(range(len(options)), key=ringing.__getitem__)[:paths])
        if self.forced is not None:
            chosen = [options.index(path) for path in self.forced]
        if paths == 1:
            (only,) = chosen
            mass = masses[only]
            return ((options[only], 1 + mass - mass.detach()),)
        whole = torch.stack([masses[place] for place in chosen]).sum()
        return tuple((options[place], masses[place] / whole) for place in chosen)


def run_branch(branch: nn.Module, x: Tensor) -> Tensor:
    """A branch's outcome, with zeros for the channels that it does not see."""
    narrow = _channels(branch)
    if narrow is None or narrow == x.shape[1]:
        return branch(x)  # type: ignore[no-any-return]
    outcome: Tensor = branch(x[:, :narrow])
    return functional.pad(outcome, (0, 0) * (x.ndim - 2) + (0, x.shape[1] - narrow))


def _channels(branch: nn.Module) -> int | None:
    """Of what enters it, None where it does not say."""
    site = branch.site if isinstance(branch, Placed) else None
    return site.channels if isinstance(site, CellSite) else None
