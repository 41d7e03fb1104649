"""An open edge, and one on its way back."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.merged import MergedEdge, union_of_offsets
from adaptd.space.operation import Depthwise
from adaptd.space.separable import SeparableConv1d

CANDIDATES = (Depthwise(3), Depthwise(5), Depthwise(9), Depthwise(5, 4))


@pytest.fixture
def deployed() -> SeparableConv1d:
    torch.manual_seed(0)
    return SeparableConv1d(6, Depthwise(5))


@pytest.fixture
def x() -> Tensor:
    return torch.randn(4, 6, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)


def opened(deployed: SeparableConv1d, logits: list[float], *, noise: float = 0.1) -> MergedEdge:
    return MergedEdge(
        deployed,
        CANDIDATES,
        nn.Parameter(torch.tensor(logits)),
        noise=noise,
        generator=torch.Generator().manual_seed(2),
    )


def explicit_sum(edge: MergedEdge, x: Tensor) -> Tensor:
    """Each candidate computed by torch's own convolution, then weighed and summed."""
    weights = functional.softmax(edge.alpha, 0)
    total = torch.zeros_like(x)
    for weight, kernels, candidate in zip(weights, edge.kernels, CANDIDATES, strict=True):
        places = [edge.offsets.index(offset) for offset in candidate.offsets]
        total = total + weight * functional.conv1d(
            x.relu(),
            kernels[:, None, places],
            padding=candidate.reach,
            dilation=candidate.dilation,
            groups=6,
        )
    normalised: Tensor = edge.norm(edge.pointwise(total))
    return normalised


def test_the_union_holds_each_offset_once() -> None:
    assert union_of_offsets(CANDIDATES) == (-8, -4, -3, -2, -1, 0, 1, 2, 3, 4, 8)


def test_the_merged_output_and_every_gradient_equal_the_explicit_weighted_sum(
    deployed: SeparableConv1d, x: Tensor
) -> None:
    edge = opened(deployed, [0.3, -0.5, 1.0, 0.2])
    weights = torch.randn(4, 6, 32, generator=torch.Generator().manual_seed(3))
    outcome, expected = edge(x), explicit_sum(edge, x)
    torch.testing.assert_close(outcome, expected, atol=1e-5, rtol=1e-5)
    inputs = (x, *edge.parameters())
    assert len(inputs) == 6, "input, kernels, alpha, pointwise, and the norm's two"
    gradients = torch.autograd.grad((outcome * weights).sum(), inputs)
    for gradient, wanted in zip(
        gradients, torch.autograd.grad((expected * weights).sum(), inputs), strict=True
    ):
        torch.testing.assert_close(
            gradient, wanted, atol=1e-5 * float(wanted.abs().max()), rtol=1e-5
        )
        assert gradient.any()


def test_with_all_weight_on_the_deployed_operation_it_computes_what_was_deployed(
    deployed: SeparableConv1d, x: Tensor
) -> None:
    edge = opened(deployed, [-60.0, 0.0, -60.0, -60.0])
    torch.testing.assert_close(edge.eval()(x), deployed.eval()(x), atol=1e-5, rtol=1e-5)


def test_candidates_inherit_the_taps_they_share_with_the_deployed_operation(
    deployed: SeparableConv1d,
) -> None:
    edge = opened(deployed, [0.0] * 4, noise=0.0)
    middle = edge.offsets.index(0)
    for kernel in edge.kernels:
        torch.testing.assert_close(kernel[:, middle], deployed.depthwise.weight[:, 0, 2])


def test_the_deployed_operation_must_be_a_candidate(deployed: SeparableConv1d) -> None:
    with pytest.raises(ValueError, match=r"dw k5 d1 must be among the candidates \['dw k3 d1'\]"):
        MergedEdge(
            deployed,
            (Depthwise(3),),
            nn.Parameter(torch.zeros(1)),
            noise=0,
            generator=torch.Generator(),
        )


@pytest.mark.parametrize("operation", [*CANDIDATES, Depthwise(7, 4), Depthwise(1)], ids=str)
def test_folding_is_exact_at_both_ends(
    deployed: SeparableConv1d, x: Tensor, operation: Depthwise
) -> None:
    edge = opened(deployed, [0.3, -0.5, 1.0, 0.2]).eval()
    before = edge(x)
    folding = edge.fold(operation)
    assert folding.target.operation == operation
    torch.testing.assert_close(folding(x), before, atol=1e-5, rtol=1e-5)
    folding.residual_share = 0.0
    torch.testing.assert_close(folding(x), folding.target(x), atol=1e-5, rtol=1e-5)


def test_the_residual_fades_in_proportion(deployed: SeparableConv1d, x: Tensor) -> None:
    edge = opened(deployed, [0.0] * 4).eval()
    folding = edge.fold(Depthwise(3))
    outcomes = []
    for share in (1.0, 0.5, 0.0):
        folding.residual_share = share
        outcomes.append(folding(x))
    torch.testing.assert_close(outcomes[1], (outcomes[0] + outcomes[2]) / 2, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(outcomes[0], outcomes[2], atol=1e-3), "there is something to fade"


def test_grown_taps_start_at_zero_and_can_learn(deployed: SeparableConv1d, x: Tensor) -> None:
    folding = opened(deployed, [0.0] * 4).fold(Depthwise(7, 4))
    weight = folding.target.depthwise.weight
    assert not weight[..., [0, -1]].any()
    folding(x).square().mul(torch.linspace(0, 1, 32)).sum().backward()
    assert weight.grad is not None
    assert weight.grad[..., [0, -1]].all()
