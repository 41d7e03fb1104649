"""`FoldingEdge`: an open edge on its way back to a single operation."""

import torch
from torch import Tensor, nn

from adaptd.space.inherit import inherit, overlay
from adaptd.space.lattice import Support, transplant
from adaptd.space.mixed import CORE, MixedEdge, run_branch
from adaptd.space.operation import LinearOperation, Operation
from adaptd.space.recompute import recomputed
from adaptd.space.remade import remade
from adaptd.space.settled import settled
from adaptd.space.site import Frame

# Of a path beside all others, whose weights sum to 1: less than a rounding of float32.
_NEGLIGIBLE = 1e-8


class FoldingEdge(nn.Module):
    """One operation and a fading rest.

    With `residual_share` 1 it computes what the mixed edge did, with 0 what `target` alone does:
    neither end is a jump. Where linear operations are merged, a linear target starts as the
    projection of the merged kernel, whose rest is the residual. The weights of all other paths fade
    with the same share; none is drawn any more, all are computed while any is left, one after the
    other where the relaxation draws them.
    Raises ValueError for an operation that does not fit, or is neither linear nor a candidate.
    """

    def __init__(self, mixed: MixedEdge, operation: Operation) -> None:
        super().__init__()
        if not operation.fits(mixed.edge.site):
            raise ValueError(f"{operation} does not fit edge {mixed.edge.name!r}")
        self.residual_share = 1.0
        self.operation = operation
        self.is_lean = mixed.relaxation.paths is not None
        weights = mixed.weights().detach()
        self.core: _FoldingCore | _FixedCore | None = None
        self.core_weight = 0.0
        if mixed.frame is not None:
            self.core_weight = float(mixed.core_weight(weights))
        chosen = mixed.branch_places.get(operation)
        if isinstance(operation, LinearOperation) and mixed.frame is not None:
            self.core = _FoldingCore(mixed, operation)
            self.target = self.core.target
            chosen = CORE
        else:
            if mixed.frame is not None:
                self.core = _FixedCore(mixed)
            if chosen is None:
                self.target = _from_likeliest_branch(mixed, operation)
            elif mixed.is_narrow(mixed.branches[chosen]):
                self.target = settled(mixed.edge.site.place(operation), mixed)
                overlay(self.target, mixed.branches[chosen])
                chosen = None
            else:
                self.target = mixed.branches[chosen]
        self.target.train(mixed.training)
        self.target_weight = self.core_weight if chosen == CORE else 0.0
        others: list[nn.Module] = []
        self.other_weights: list[float] = []
        for candidate, place in mixed.branch_places.items():
            weight = float(weights[mixed.candidates.index(candidate)])
            if place == chosen:
                self.target_weight = weight
            elif weight > _NEGLIGIBLE:
                others.append(mixed.branches[place])
                self.other_weights.append(weight)
        self.others = nn.ModuleList(others)

    def forward(self, x: Tensor) -> Tensor:
        """What the edge's site takes -> what it gives."""
        share = self.residual_share
        if share == 0:
            plain: Tensor = self.target(x)
            return plain
        merges = isinstance(self.core, _FoldingCore)
        outcome: Tensor = self.core(x, share) if merges and self.core else self.target(x)
        factor = 1 - share * (1 - self.target_weight)
        if factor != 1:
            outcome = factor * outcome
        if isinstance(self.core, _FixedCore):
            outcome = outcome + share * self.core_weight * self.core(x)
        for branch, weight in zip(self.others, self.other_weights, strict=True):
            outcome = outcome + share * weight * self._other(branch, x)
        return outcome

    def _other(self, branch: nn.Module, x: Tensor) -> Tensor:
        if self.is_lean and self.training and torch.is_grad_enabled():
            return recomputed(branch, run_branch, branch, x)
        return run_branch(branch, x)


class _FoldingCore(nn.Module):
    """The chosen operation's kernel plus a share of the residual, in the deployed frame."""

    residual: Tensor

    def __init__(self, mixed: MixedEdge, operation: LinearOperation) -> None:
        super().__init__()
        if mixed.frame is None or mixed.kernel is None:
            raise ValueError(f"edge {mixed.edge.name!r} has no linear candidate")
        site = self.site = mixed.edge.site
        self.operation = operation
        own = self.lattice = operation.lattice(site)
        self.support = Support.of((*(one.lattice(site) for one in mixed.kernel.operations), own))
        with torch.no_grad():
            merged = transplant(
                mixed.merged_kernel(mixed.weights()),
                mixed.kernel.support.positions,
                self.support.positions,
            )
            kernel_module = operation.kernel_module(site).to(merged.device, merged.dtype)
            projection = transplant(merged, self.support.positions, own.positions)
            operation.project(site, kernel_module, projection)
            nearest = operation.kernel(site, kernel_module)
            rest = merged - transplant(nearest, own.positions, self.support.positions)
        self.frame: Frame = mixed.frame
        self.target = mixed.frame.assemble(operation, kernel_module)
        self.register_buffer("residual", rest)

    def forward(self, x: Tensor, share: float) -> Tensor:
        module = self.site.kernel_module_of(self.target)

        def make() -> Tensor:
            own = self.operation.kernel(self.site, module)
            taps = self.lattice.positions
            return share * self.residual + transplant(own, taps, self.support.positions)

        kernel = remade(make, tuple(module.parameters()))
        outcome: Tensor = self.frame(x, kernel, self.support)
        return outcome


class _FixedCore(nn.Module):
    """The merged kernel of an edge that folds to another path, its weights as they were."""

    weights: Tensor

    def __init__(self, mixed: MixedEdge) -> None:
        super().__init__()
        if mixed.frame is None or mixed.kernel is None:
            raise ValueError(f"edge {mixed.edge.name!r} has no linear candidate")
        self.frame: Frame = mixed.frame
        self.kernel = mixed.kernel
        self.register_buffer("weights", mixed.core_weights().detach())

    def forward(self, x: Tensor) -> Tensor:
        outcome: Tensor = self.frame(x, self.kernel(self.weights), self.kernel.support)
        return outcome


def _from_likeliest_branch(mixed: MixedEdge, operation: Operation) -> nn.Module:
    """A module of a linear operation that was no candidate, where nothing is merged."""
    linear = {
        candidate: place
        for candidate, place in mixed.branch_places.items()
        if isinstance(candidate, LinearOperation)
    }
    if not isinstance(operation, LinearOperation) or not linear:
        raise ValueError(
            f"{operation} is neither a linear operation nor a candidate of "
            f"{mixed.edge.name!r}: {[str(one) for one in mixed.candidates]}"
        )
    weights = mixed.weights().detach()
    site = mixed.edge.site
    source = max(linear, key=lambda candidate: float(weights[mixed.candidates.index(candidate)]))
    branch = mixed.branches[linear[source]]
    target = settled(site.place(operation), branch)
    if mixed.is_narrow(branch):
        overlay(target, branch)
    else:
        inherit(site, source, branch, operation, target)
    return target
