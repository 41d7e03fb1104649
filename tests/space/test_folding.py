"""An open edge on its way back."""

import copy

import pytest
import torch
from torch import Tensor, nn

from adaptd.space.cell import CellSite
from adaptd.space.convolution import ConvSite
from adaptd.space.cost import saved_activation_bytes
from adaptd.space.folding import FoldingEdge
from adaptd.space.linear import LinearSite
from adaptd.space.mixed import MixedEdge
from adaptd.space.operation import parse_operation
from adaptd.space.relaxation import CHECKPOINTED, MERGED, ONE_PATH, PARTIAL, SOFT, Relaxation
from adaptd.space.site import Site
from tests.space.curved import CurvedOperation
from tests.space.explicit import opened

CELL = CellSite(1, 8)
ON_CELLS = ("dw k3 d1", "dw k5 d1", "dw k9 d1", "dw k5 d4", "avg k3", "identity", "zero")
MIXED = ("dw k3 d1", str(CurvedOperation()), "dw k5 d1", "test-max", "identity")
CONV = ConvSite.of(nn.Conv2d(8, 6, 3, padding=1, stride=2))
CONVOLUTIONS = ("conv k3 d1", "conv k1x7 d1", "sepconv k5 d1", "lowconv r2 k3 d2", "test-relu")
MATRIX = LinearSite(8, 8, True)
MATRICES = ("linear", "lowrank r2", "diagonal", "block b2", "test-relu")

# Site, deployed operation, candidates, what an edge folds to though it was no candidate.
CASES: list[tuple[Site, str, tuple[str, ...], tuple[str, ...]]] = [
    (CELL, "dw k5 d1", ON_CELLS, ("dw k7 d4", "dw k1 d1", "dw k11 d9", "avg k5")),
    (CellSite(2, 8, 2), "dw k3 d1", ON_CELLS, ("dw k7 d4", "dw k7 d1")),
    (CELL, "dw k3 d1", MIXED, ("dw k5 d4",)),
    (CELL, "test-max", MIXED, ("dw k5 d4",)),
    (CONV, "conv k3 d1", CONVOLUTIONS, ("conv k5 d1", "sepconv k3 d1", "lowconv r3 k3 d1")),
    (MATRIX, "linear", MATRICES, ("lowrank r5", "block b4")),
]
TARGETS = [
    pytest.param(
        site, deployed, candidates, target, id=f"{type(site).__name__} {deployed}: {target}"
    )
    for site, deployed, candidates, others in CASES
    for target in (*candidates, *others)
]


def entering(site: Site) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    channels = site.channels if isinstance(site, CellSite) else 8
    return torch.randn(4, channels, *(24, 12)[: site.axes], generator=generator)


@pytest.mark.parametrize(("site", "deployed", "candidates", "target"), TARGETS)
def test_folding_is_exact_at_both_ends(
    site: Site, deployed: str, candidates: tuple[str, ...], target: str
) -> None:
    mixed = opened(site, deployed, candidates).eval()
    x = entering(site)
    before = mixed(x)
    folding = FoldingEdge(mixed, parse_operation(target))
    torch.testing.assert_close(folding(x), before, atol=1e-5, rtol=1e-5)
    outcomes = [before]
    for share in (0.5, 1e-7, 0.0):
        folding.residual_share = share
        outcomes.append(folding(x))
    torch.testing.assert_close(outcomes[2], outcomes[3], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(outcomes[3], folding.target(x), atol=0, rtol=0)
    fresh = site.place(parse_operation(target)).eval()
    fresh.load_state_dict(folding.target.state_dict())
    torch.testing.assert_close(fresh(x), outcomes[3], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("relaxation", [PARTIAL, ONE_PATH, CHECKPOINTED, SOFT])
@pytest.mark.parametrize("target", [*MIXED, "dw k5 d4"])
def test_it_is_under_every_relaxation(relaxation: Relaxation, target: str) -> None:
    mixed = opened(CELL, "dw k3 d1", MIXED, relaxation=relaxation).eval()
    x = entering(CELL)
    before = mixed(x)
    folding = FoldingEdge(mixed, parse_operation(target))
    torch.testing.assert_close(folding(x), before, atol=1e-5, rtol=1e-5)
    folding.residual_share = 1e-7
    torch.testing.assert_close(folding(x), folding.target(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("target", ["dw k3 d1", "dw k9 d1", "zero"])
def test_folding_is_exact_in_training_where_all_is_merged(target: str) -> None:
    mixed = opened(CELL, "dw k5 d1", ON_CELLS)
    x = entering(CELL)
    before = mixed(x)
    folding = FoldingEdge(mixed, parse_operation(target))
    torch.testing.assert_close(folding(x), before, atol=1e-5, rtol=1e-5)


def test_the_residual_fades_in_proportion() -> None:
    mixed = opened(CELL, "dw k5 d1", ON_CELLS).eval()
    folding, x = FoldingEdge(mixed, parse_operation("dw k3 d1")), entering(CELL)
    outcomes = []
    for share in (1.0, 0.5, 0.0):
        folding.residual_share = share
        outcomes.append(folding(x))
    torch.testing.assert_close(outcomes[1], (outcomes[0] + outcomes[2]) / 2, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(outcomes[0], outcomes[2], atol=1e-3), "there is something to fade"


def test_grown_taps_start_at_zero_and_can_learn() -> None:
    folding = FoldingEdge(opened(CELL, "dw k5 d1", ON_CELLS), parse_operation("dw k7 d4"))
    weight = folding.target.get_parameter("depthwise.weight")
    assert not weight[..., [0, -1]].any()
    folding(entering(CELL)).square().mul(torch.linspace(0, 1, 24)).sum().backward()
    assert weight.grad is not None
    assert weight.grad[..., [0, -1]].all()


@pytest.mark.parametrize("target", MIXED)
def test_gradients_reach_the_target_and_whatever_still_acts(target: str) -> None:
    folding = FoldingEdge(opened(CELL, "dw k3 d1", MIXED), parse_operation(target))
    folding(entering(CELL)).square().mul(torch.linspace(0, 1, 24)).sum().backward()
    assert all(parameter.grad is not None for parameter in folding.parameters())


def test_a_path_of_no_weight_is_not_computed_any_more() -> None:
    logits = [0.0, -40.0, 0.0, -40.0, 0.0]
    folding = FoldingEdge(
        opened(CELL, "dw k3 d1", MIXED, logits=logits), parse_operation("dw k3 d1")
    )
    assert len(folding.others) == 0


def test_an_operation_that_is_no_candidate_and_not_linear_is_refused() -> None:
    mixed = opened(CELL, "dw k3 d1", ("dw k3 d1", "test-curved"))
    with pytest.raises(ValueError, match="test-max is neither a linear operation nor a candidate"):
        FoldingEdge(mixed, parse_operation("test-max"))
    with pytest.raises(ValueError, match="conv k3 d1 does not fit edge 'edge'"):
        FoldingEdge(mixed, parse_operation("conv k3 d1"))


class Classifier(nn.Module):
    def __init__(self, edge: nn.Module) -> None:
        super().__init__()
        self.edge = edge

    def forward(self, x: Tensor) -> Tensor:
        outcome: Tensor = self.edge(x)
        return outcome.mean(-1)


def test_paths_that_were_drawn_one_by_one_are_not_kept_all_at_once() -> None:
    candidates = ("dw k3 d1", "test-curved", "test-dropping", "test-max")
    x, target = torch.randn(16, 8, 64), torch.zeros(16, dtype=torch.int64)

    def kept(relaxation: Relaxation) -> int:
        mixed = opened(CELL, "dw k3 d1", candidates, relaxation=relaxation, logits=[0.0] * 4)
        folding = FoldingEdge(mixed, parse_operation("dw k3 d1"))
        return saved_activation_bytes(Classifier(folding), x, target)

    alone = saved_activation_bytes(Classifier(opened(CELL, "dw k3 d1", ("dw k3 d1",))), x, target)
    # x itself, of which the edge alone keeps what is past its ReLU.
    assert kept(MERGED) < alone + 1.1 * x.nbytes
    assert kept(Relaxation(paths=None)) > alone + 3 * x.nbytes


def test_a_folding_edge_can_be_copied_and_forgets_the_open_one() -> None:
    mixed: MixedEdge = opened(CELL, "dw k3 d1", MIXED).eval()
    folding = FoldingEdge(mixed, parse_operation("dw k5 d1"))
    x = entering(CELL)
    torch.testing.assert_close(copy.deepcopy(folding)(x), folding(x), atol=0, rtol=0)
    assert not any(isinstance(value, MixedEdge) for value in vars(folding).values())
    assert not any(module is mixed for module in folding.modules())
