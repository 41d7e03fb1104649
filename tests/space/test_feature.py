"""Edges over features: matrices merge, everything else is a branch."""

from itertools import cycle, pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cost import EdgeCosts, count_macs
from adaptd.space.edges import edges_of
from adaptd.space.feature import FeatureMap, FeatureSite
from adaptd.space.network import initial_architecture
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.supernet import Reopening, Supernet
from adaptd.space.tabular import CANDIDATES

FEATURES = 24
SITE = FeatureSite.of(FEATURES)
LINEAR = tuple(text for text in CANDIDATES if isinstance(parse_operation(text), LinearOperation))


@pytest.fixture
def x() -> Tensor:
    return torch.randn(16, FEATURES, generator=torch.Generator().manual_seed(1), requires_grad=True)


def network(operation: str = "linear") -> nn.Module:
    """Two edges in use: their running statistics are not those of fresh ones."""
    torch.manual_seed(0)
    edges = nn.Sequential(*(SITE.place(parse_operation(operation)) for _ in range(2)))
    edges(3 * torch.randn(32, FEATURES) + 1)
    return edges


def opened(deployed: nn.Module, candidates: tuple[str, ...]) -> Supernet:
    return Supernet.reopen(
        deployed, Reopening(dict.fromkeys("01", candidates), {"0": "a", "1": "b"}), noise=0.3
    )


def test_an_edge_is_relu_matrix_norm() -> None:
    edge = SITE.place(parse_operation("linear")).eval()
    assert isinstance(edge, FeatureMap)
    x = torch.randn(5, FEATURES)
    expected = functional.relu(x) @ edge.matrix.get_parameter("weight").t()
    torch.testing.assert_close(edge(x), expected / (1 + 1e-5) ** 0.5)


@pytest.mark.parametrize("text", LINEAR)
def test_the_module_of_a_linear_operation_computes_its_kernel(text: str, x: Tensor) -> None:
    operation = parse_operation(text)
    assert isinstance(operation, LinearOperation)
    module = operation.kernel_module(SITE)
    kernel = operation.kernel(SITE, module)
    assert kernel.shape == (FEATURES, FEATURES, 1)
    torch.testing.assert_close(module(x), x @ kernel.squeeze(2).t(), atol=1e-5, rtol=1e-5)


def test_the_merged_output_and_every_gradient_equal_the_explicit_weighted_sum(x: Tensor) -> None:
    supernet = opened(network(), LINEAR)
    supernet.set_logits("a", [0.1 * place for place in range(len(LINEAR))])
    edge = supernet.mixed_edges()["0"]
    assert edge.merged_share == 1
    merged, frame = edge.kernel, edge.frame
    assert merged is not None
    assert frame is not None
    weights = edge.weights()
    structured = iter(merged.structured)
    assert merged.kernels is not None
    free = iter(merged.kernels)
    total = torch.zeros_like(x)
    for weight, operation in zip(weights, merged.operations, strict=True):
        if operation.is_free:
            part = functional.relu(x) @ next(free).squeeze(2).t()
        else:
            part = next(structured)(functional.relu(x))
        total = total + weight * part
    expected = frame.get_submodule("norm")(total)
    outcome = edge(x)
    torch.testing.assert_close(outcome, expected, atol=1e-5, rtol=1e-5)
    inputs = (x, *edge.parameters())
    # alpha, norm's two, full matrix, diagonal, three times two factors, three blocks
    assert len(inputs) == 1 + 1 + 2 + 1 + 1 + 6 + 3
    direction = torch.randn(outcome.shape, generator=torch.Generator().manual_seed(3))
    gradients = torch.autograd.grad((outcome * direction).sum(), inputs)
    for gradient, wanted in zip(
        gradients, torch.autograd.grad((expected * direction).sum(), inputs), strict=True
    ):
        scale = float(wanted.abs().max())
        torch.testing.assert_close(gradient, wanted, atol=1e-5 * scale, rtol=1e-5)
        assert gradient.any()


@pytest.mark.parametrize("deployed", CANDIDATES)
def test_a_reopened_network_starts_as_what_was_deployed(deployed: str, x: Tensor) -> None:
    before = network(deployed)
    supernet = opened(before, CANDIDATES)
    for is_training in (False, True):
        torch.testing.assert_close(
            supernet.train(is_training)(x), before.train(is_training)(x), atol=1e-5, rtol=1e-5
        )


def test_folding_is_no_jump_at_either_end_and_discretises_to_plain_modules(x: Tensor) -> None:
    for first, second in zip(CANDIDATES, cycle(("glu", "lowrank r4", "block b2", "cross r8"))):
        supernet = opened(network(), CANDIDATES).eval()
        supernet.equalise()
        before = supernet(x)
        supernet.fold({"0": first, "1": second})
        torch.testing.assert_close(supernet(x), before, atol=1e-5, rtol=1e-5)
        supernet.anneal(0)
        folded = supernet(x)
        assert not torch.allclose(folded, before, atol=1e-3), "there is something to fade"
        plain = supernet.discretise()
        torch.testing.assert_close(plain(x), folded, atol=0, rtol=0)
        assert [str(edge.operation) for edge in edges_of(plain).values()] == [first, second]


@pytest.mark.parametrize(
    ("text", "macs"),
    [
        ("linear", 24 * 24),
        ("lowrank r4", 2 * 4 * 24),
        ("diagonal", 24),
        ("block b4", 24 * 6),
        ("identity", 0),
        ("zero", 0),
        ("cross r8", 3 * 8 * 24),
        ("glu", 2 * 24 * 24),
        ("resmlp e2", 4 * 24 * 24),
    ],
)
def test_the_multiplications_of_an_operation(text: str, macs: int) -> None:
    assert parse_operation(text).macs(SITE, (FEATURES,)) == macs


def test_a_network_costs_the_sum_of_its_parts_whatever_stands_on_its_edges() -> None:
    start = initial_architecture("adaptd.space.tabular:network", {"features": 5, "classes": 3})
    edges = list(start.operations)
    for first, second in pairwise((*CANDIDATES, CANDIDATES[0])):
        deployed = start.with_operations(dict.fromkeys(edges, first))
        other = start.with_operations(dict.fromkeys(edges, second))
        assert EdgeCosts.of(deployed, (5,)).total(other) == count_macs(other, (5,))


@pytest.mark.parametrize("text", ["lowrank r24", "block b5", "dw k3 d1", "avg k3", "conv k3 d1"])
def test_what_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"{text} does not fit"):
        SITE.place(parse_operation(text))


def test_a_site_without_features_or_with_others_behind_it_is_refused() -> None:
    for inputs, outputs in ((0, 0), (3, 4)):
        with pytest.raises(ValueError, match="no such site"):
            FeatureSite(inputs, outputs)
