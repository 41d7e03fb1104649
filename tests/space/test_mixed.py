"""An open edge."""

import copy
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cell import CellSite
from adaptd.space.convolution import ConvSite
from adaptd.space.edges import Edge
from adaptd.space.linear import LinearSite
from adaptd.space.mixed import CORE, MixedEdge, run_branch
from adaptd.space.operation import parse_operation
from adaptd.space.relaxation import (
    CHECKPOINTED,
    MERGED,
    ONE_PATH,
    PARTIAL,
    SOFT,
    TWO_PATHS,
    Relaxation,
)
from adaptd.space.site import Site
from tests.space.curved import CurvedOperation
from tests.space.explicit import opened, weighted_sum

CELL = CellSite(1, 8)
MIXED = ("dw k3 d1", str(CurvedOperation()), "dw k5 d1", "test-max", "identity")


def conv_site(**layer: object) -> ConvSite:
    """Of a layer [8 -> 8 channels, padding kept] unless said otherwise."""
    axes = layer.pop("axes", 2)
    kind: type[nn.Conv1d] | type[nn.Conv2d] = nn.Conv1d if axes == 1 else nn.Conv2d
    settings = {"in_channels": 8, "out_channels": 8, "kernel_size": 3, "padding": 1, **layer}
    return ConvSite.of(kind(**settings))  # type: ignore[arg-type]


CONVOLUTIONS = (
    *(f"conv k{taps} d{dilation}" for taps in (1, 3, 5, 7) for dilation in (1, 2, 4)),
    *("conv k2 d1", "conv k4 d1", "conv k2 d2", "conv k6 d1", "conv k2 d3"),
    *("sepconv k3 d1", "sepconv k5 d2", "sepconv k2 d1", "sepconv k4 d1"),
    *("lowconv r1 k1 d1", "lowconv r3 k3 d1", "lowconv r2 k5 d2", "lowconv r2 k4 d1"),
)
OBLONG = ("conv k1x7 d1", "conv k7x1 d1", "conv k3x5 d1x2", "conv k1x3 d4", "sepconv k1x3 d1")
DEPTHWISE = tuple(f"dw k{taps} d{dilation}" for taps in (1, 3, 5, 9) for dilation in (1, 4, 7))
ON_CELLS = (*DEPTHWISE, "avg k3", "avg k5", "identity", "zero")
MATRICES = ("linear", "lowrank r1", "lowrank r3", "diagonal", "block b2", "block b4")

# Site, pool of candidates, shapes of what enters.
SITES: dict[str, tuple[Site, Sequence[str], Sequence[tuple[int, ...]]]] = {
    "dense": (conv_site(), (*CONVOLUTIONS, *OBLONG), [(8, 9, 7)]),
    "dense sequence": (conv_site(axes=1), CONVOLUTIONS, [(8, 12), (8, 200)]),
    "grouped": (conv_site(groups=4, bias=False), (*CONVOLUTIONS, *OBLONG), [(8, 6, 7)]),
    "depthwise": (conv_site(groups=8), (*CONVOLUTIONS, *OBLONG), [(8, 6, 7)]),
    "depthwise sequence": (conv_site(axes=1, groups=8), CONVOLUTIONS, [(8, 16), (8, 200)]),
    "stride": (conv_site(stride=2, out_channels=6), (*CONVOLUTIONS, *OBLONG), [(8, 9, 8)]),
    "stride sequence": (conv_site(axes=1, stride=2), CONVOLUTIONS, [(8, 17), (8, 200)]),
    "even": (conv_site(kernel_size=4), (*CONVOLUTIONS, *OBLONG), [(8, 9, 8)]),
    "no padding": (conv_site(kernel_size=5, padding=0), (*CONVOLUTIONS, *OBLONG), [(8, 18, 17)]),
    "more padding": (conv_site(kernel_size=3, padding=3), (*CONVOLUTIONS, *OBLONG), [(8, 5, 6)]),
    "oblong": (
        conv_site(kernel_size=(1, 7), padding=(0, 3), stride=(2, 1)),
        (*CONVOLUTIONS, *OBLONG),
        [(8, 6, 9)],
    ),
    "cell": (CellSite(1, 8), ON_CELLS, [(8, 12), (8, 64), (8, 100), (8, 200)]),
    "reducing cell": (CellSite(1, 8, 2), ON_CELLS, [(8, 13), (8, 200)]),
    "image cell": (CellSite(2, 8), ON_CELLS, [(8, 9, 8)]),
    "reducing image cell": (CellSite(2, 8, 2), ON_CELLS, [(8, 9, 8)]),
    "matrix": (LinearSite(8, 8, True), MATRICES, [(8,), (5, 8)]),
    "narrowing matrix": (LinearSite(8, 4, False), MATRICES, [(8,), (3, 5, 8)]),
}


@st.composite
def linear_edges(draw: st.DrawFn, name: str) -> tuple[MixedEdge, Tensor]:
    site, pool, shapes = SITES[name]
    fitting = [text for text in pool if parse_operation(text).fits(site)]
    assert len(fitting) >= 4
    candidates = draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=5, unique=True))
    seed = draw(st.integers(0, 99))
    mixed = opened(
        site,
        draw(st.sampled_from(candidates)),
        candidates,
        seed=seed,
        dtype=torch.float64,
    )
    x = torch.randn(
        3,
        *draw(st.sampled_from(shapes)),
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float64,
        requires_grad=True,
    )
    return mixed, x


def assert_same(mixed: MixedEdge, x: Tensor, *, share: float) -> None:
    """Output and gradients; share: of the largest number, the difference allowed."""
    outcome, expected = mixed(x), weighted_sum(mixed, x)

    def close(one: Tensor, other: Tensor) -> None:
        scale = max(1e-3, float(other.detach().abs().max()))
        torch.testing.assert_close(one, other, atol=share * scale, rtol=0)

    close(outcome, expected)
    weights = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).to(x)
    inputs = {"x": x, **dict(mixed.named_parameters())}
    gradients, wanted = (
        torch.autograd.grad((given * weights).sum(), list(inputs.values()), allow_unused=True)
        for given in (outcome, expected)
    )
    for one, other in zip(gradients, wanted, strict=True):
        # One candidate alone is the sum whatever its alpha, and `zero` has no gradient for x.
        close(
            torch.zeros(()) if one is None else one,
            torch.zeros(()) if other is None else other,
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", SITES)
@given(data=st.data())
def test_merged_output_and_every_gradient_are_those_of_the_weighted_sum(
    name: str, data: st.DataObject
) -> None:
    mixed, x = data.draw(linear_edges(name))
    assert not mixed.branches
    assert_same(mixed, x, share=1e-9)


@pytest.mark.parametrize("name", SITES)
def test_they_are_in_single_precision_to_one_part_in_a_hundred_thousand(name: str) -> None:
    site, pool, shapes = SITES[name]
    candidates = [text for text in pool if parse_operation(text).fits(site)][:6]
    mixed = opened(site, candidates[0], candidates)
    assert_same(mixed, torch.randn(4, *shapes[-1], requires_grad=True), share=1e-5)


def test_candidates_inherit_the_taps_they_share_with_the_deployed_operation() -> None:
    mixed = opened(CELL, "dw k5 d1", DEPTHWISE, noise=0.0)
    assert mixed.kernel is not None
    assert mixed.kernel.kernels is not None
    places = DEPTHWISE.index("dw k5 d1"), mixed.kernel.support.positions.index((0,))
    for kernel in mixed.kernel.kernels:
        torch.testing.assert_close(
            kernel[..., places[1]], mixed.kernel.kernels[places[0]][..., places[1]]
        )


def test_the_deployed_operation_must_be_a_candidate() -> None:
    with pytest.raises(ValueError, match=r"dw k5 d1 must be among the candidates \['dw k3 d1'\]"):
        opened(CELL, "dw k5 d1", ["dw k3 d1"])


def test_a_candidate_that_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"conv k3 d1 does not fit edge 'edge'"):
        opened(CELL, "dw k3 d1", ["dw k3 d1", "conv k3 d1"])


def explicit_mixture(mixed: MixedEdge, x: Tensor) -> Tensor:
    """All paths by their weights, in evaluation."""
    weights = mixed.weights()
    total = torch.zeros(())
    if mixed.frame is not None:
        total = total + mixed.core_weight(weights) * mixed.path(x, CORE, weights)
    for candidate, place in mixed.branch_places.items():
        weight = weights[mixed.candidates.index(candidate)]
        total = total + weight * run_branch(mixed.branches[place], x)
    return total


@pytest.mark.parametrize("relaxation", [MERGED, PARTIAL, TWO_PATHS, ONE_PATH, CHECKPOINTED, SOFT])
@pytest.mark.parametrize("site", [CELL, CellSite(2, 8, 2)], ids=["sequence", "image"])
def test_in_evaluation_every_path_counts_by_its_weight(
    relaxation: Relaxation, site: CellSite
) -> None:
    mixed = opened(site, "dw k3 d1", MIXED, relaxation=relaxation).eval()
    x = torch.randn(4, 8, *(12,) * site.dimensions)
    torch.testing.assert_close(mixed(x), explicit_mixture(mixed, x))
    assert sum(mixed.weights().tolist()) == pytest.approx(1)


def statistics_off(mixed: MixedEdge) -> MixedEdge:
    """Draws as in training, but norms as in evaluation, so that each draw gives the same."""
    mixed.train()
    for module in mixed.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    return mixed


@pytest.mark.parametrize(
    "relaxation", [MERGED, PARTIAL, Relaxation(paths=2), Relaxation(merge=False, paths=1)]
)
def test_drawn_paths_average_to_the_weighted_sum(relaxation: Relaxation) -> None:
    mixed = statistics_off(
        opened(CellSite(1, 4), "dw k3 d1", MIXED, relaxation=relaxation, dtype=torch.float64)
    )
    x = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        draws = torch.stack([mixed(x) for _ in range(150)])
        expected = explicit_mixture(mixed, x)
    error = draws.std(0) / math.sqrt(len(draws))
    assert error.any(), "something is drawn"
    # Five standard errors: of 24 numbers one lies beyond in some tens of thousands of seeds.
    assert bool(((draws.mean(0) - expected).abs() <= 5 * error + 1e-12).all())


def test_the_gradient_for_alpha_averages_to_that_of_the_weighted_sum() -> None:
    mixed = statistics_off(opened(CellSite(1, 4), "dw k3 d1", MIXED, dtype=torch.float64))
    x = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))

    def gradient(outcome: Tensor) -> Tensor:
        return torch.autograd.grad(outcome.sum(), mixed.alpha)[0]

    expected = gradient(explicit_mixture(mixed, x))
    drawn = torch.stack([gradient(mixed(x)) for _ in range(150)])
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert error.all()
    # Five standard errors, five numbers: a false failure in about 300 000 seeds.
    assert bool(((drawn.mean(0) - expected).abs() <= 5 * error).all())


@pytest.mark.parametrize("paths", [1, 2])
def test_exclusive_paths_are_drawn_by_their_weights(paths: int) -> None:
    logits = [math.log(share) for share in (0.5, 0.3, 0.2)]
    mixed = opened(
        CELL,
        "test-max",
        ["dw k3 d1", "test-max", "test-curved"],
        logits=logits,
        relaxation=Relaxation(paths=paths, is_exclusive=True),
    )
    first = 0
    for _ in range(1_000):
        drawn = [path for path, _ in mixed._draw(mixed.weights())]
        assert len(set(drawn)) == paths
        first += CORE in drawn
    # Alone half of the times; of two without replacement: 0.5 + 0.3 * 5/7 + 0.2 * 5/8.
    chance = {1: 0.5, 2: 0.8393}[paths]
    # Five standard errors: a false failure in 1.7 million seeds.
    assert abs(first / 1_000 - chance) < 5 * math.sqrt(chance * (1 - chance) / 1_000)


def test_a_path_without_weight_is_never_drawn_alone() -> None:
    mixed = opened(
        CELL,
        "test-max",
        ["dw k3 d1", "test-curved", "test-max"],
        logits=[-200.0, -200.0, 0.0],
        relaxation=ONE_PATH,
    )
    drawn = [mixed._draw(mixed.weights())[0][0] for _ in range(200)]
    assert {mixed.branch_places[parse_operation("test-max")]} == set(drawn)


@pytest.mark.parametrize("relaxation", [MERGED, PARTIAL, TWO_PATHS, ONE_PATH, CHECKPOINTED, SOFT])
def test_gradients_reach_alpha_and_every_drawn_branch(relaxation: Relaxation) -> None:
    mixed = opened(CELL, "dw k3 d1", MIXED, logits=[0.0] * len(MIXED), relaxation=relaxation)
    x = torch.randn(4, 8, 12, requires_grad=True)
    trained: set[str] = set()
    for _ in range(40):
        mixed.zero_grad()
        mixed(x).square().mul(torch.linspace(0, 1, 12)).sum().backward()
        assert mixed.alpha.grad is not None
        assert bool(torch.isfinite(mixed.alpha.grad).all())
        assert mixed.alpha.grad.any()
        for name, parameter in mixed.named_parameters():
            if parameter.grad is not None and parameter.grad.any():
                assert bool(torch.isfinite(parameter.grad).all()), name
                trained.add(name)
    # Drawn with a chance of a fifth or more, a branch stays out in one of 7 000 seeds.
    missing = {name for name, _ in mixed.named_parameters()} - trained
    assert not missing, missing


@pytest.mark.parametrize("deployed", ["dw k3 d1", "test-dropping"])
def test_a_checkpointed_step_is_the_same_step(deployed: str) -> None:
    candidates = ("dw k3 d1", "test-dropping", "dw k5 d1")
    plain = opened(CELL, deployed, candidates, relaxation=ONE_PATH)
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm1d):
            # The mean over all batches, for which they are counted.
            module.momentum = None
    lean = copy.deepcopy(plain)
    lean.relaxation = replace(plain.relaxation, checkpoint=True)
    x = torch.randn(4, 8, 12, generator=torch.Generator().manual_seed(0))
    for _ in range(8):
        outcomes = []
        for mixed in (plain, lean):
            mixed.zero_grad()
            torch.manual_seed(5)
            outcome = mixed(x)
            # What is drawn between the passes must not change what is computed again.
            torch.rand(7)
            outcome.square().sum().backward()
            outcomes.append(outcome)
        torch.testing.assert_close(outcomes[0], outcomes[1], atol=0, rtol=0)
        gradients = [[one.grad for one in mixed.parameters()] for mixed in (plain, lean)]
        torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(plain.state_dict(), lean.state_dict(), atol=0, rtol=0)


def test_a_checkpointed_step_can_go_backwards_twice() -> None:
    mixed = opened(CELL, "dw k3 d1", MIXED, relaxation=CHECKPOINTED)
    loss = mixed(torch.randn(4, 8, 12)).square().sum()
    first, second = (torch.autograd.grad(loss, mixed.alpha, retain_graph=True)[0] for _ in range(2))
    torch.testing.assert_close(first, second)


def test_a_partial_branch_sees_the_first_quarter_of_the_channels() -> None:
    mixed = opened(CELL, "dw k3 d1", ["dw k3 d1", "test-curved"], relaxation=PARTIAL)
    (branch,) = mixed.branches
    outcome = run_branch(branch, torch.randn(4, 8, 12))
    assert outcome.shape == (4, 8, 12)
    assert outcome[:, :2].all()
    assert not outcome[:, 2:].any()


def test_separate_candidates_inherit_taps_by_their_offset() -> None:
    site = conv_site(axes=1)
    candidates = ("conv k3 d1", "conv k3 d2")
    mixed = opened(site, "conv k3 d1", candidates, relaxation=SOFT, noise=0.0)
    near, far = (branch.get_parameter("weight") for branch in mixed.branches)
    torch.testing.assert_close(far[..., 1], near[..., 1])
    assert not far[..., [0, 2]].any(), "its outer taps lie where the deployed kernel has none"
    near_bias, far_bias = (branch.get_parameter("bias") for branch in mixed.branches)
    torch.testing.assert_close(near_bias, far_bias)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("relaxation", [MERGED, PARTIAL, TWO_PATHS, SOFT])
def test_an_edge_is_of_its_deployed_modules_dtype(
    dtype: torch.dtype, relaxation: Relaxation
) -> None:
    mixed = opened(CELL, "dw k3 d1", MIXED, relaxation=relaxation, dtype=dtype)
    assert {one.dtype for one in mixed.parameters()} == {dtype}
    for length in (12, 200):
        outcome = mixed(torch.randn(4, 8, length, dtype=dtype))
        assert outcome.dtype == dtype
        outcome.sum().backward()
    assert mixed.alpha.grad is not None


@pytest.mark.parametrize("length", [12, 200])
def test_an_edge_trains_under_autocast(length: int) -> None:
    mixed = opened(CELL, "dw k3 d1", ("dw k3 d1", "dw k5 d4", "avg k3"))
    x = torch.randn(4, 8, length, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outcome = mixed(x)
        loss = outcome.float().square().mul(torch.linspace(0, 1, length)).sum()
    loss.backward()
    expected = mixed(x)
    torch.testing.assert_close(outcome.float(), expected, atol=0.1, rtol=0.1)
    assert x.grad is not None
    assert mixed.alpha.grad is not None
    assert mixed.alpha.grad.any()


def test_evaluating_in_inference_mode_does_not_hinder_training() -> None:
    candidates = ("dw k3 d3", "dw k3 d11", "avg k3")
    mixed = opened(CELL, "dw k3 d3", candidates)
    x = torch.randn(4, 8, 201)
    with torch.inference_mode():
        mixed.eval()(x)
    mixed.train()(x).square().sum().backward()
    assert mixed.alpha.grad is not None


def test_an_open_edge_knows_its_edge() -> None:
    mixed = opened(CELL, "dw k3 d1", MIXED)
    assert mixed.edge == Edge("edge", CELL, parse_operation("dw k3 d1"))
    assert mixed.merged_share == 3 / 5
    torch.testing.assert_close(mixed.weights(), functional.softmax(mixed.alpha, 0))
