"""What a training step keeps, foretold."""

import copy
import gc
import itertools
import weakref
from dataclasses import dataclass, field
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space import LADDER, SOFT, Operation, Reopening, Supernet, edges_of, operation
from adaptd.space.cell import CellSite
from adaptd.space.convolution import ConvSite
from adaptd.space.cost import saved_activation_bytes
from adaptd.space.lattice import Lattice
from adaptd.space.memory import predict_bytes, saved_bytes, step_bytes
from adaptd.space.network import resolve
from adaptd.space.recompute import recomputed
from adaptd.space.site import Site
from tests.networks import FOREIGN
from tests.space.live_bytes import LiveBytes

RELAXATIONS = {**LADDER, "soft": SOFT}
# Those that draw are measured many times over.
FAST_AND_SLOW = [
    name if name in ("merged", "one-path") else pytest.param(name, marks=pytest.mark.slow)
    for name in RELAXATIONS
]
BATCHES = (16, 64, 256)


@operation("memory-test-maximum")
@dataclass(frozen=True)
class Maximum(Operation):
    """Max pooling, which keeps where each maximum was; and batch norm."""

    taps: int = field(default=3, metadata={"letter": "k"})

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite) and site.dimensions == 1

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return nn.Sequential(
            nn.MaxPool1d(self.taps, stride=site.stride, padding=self.taps // 2),
            nn.BatchNorm1d(site.channels),
        )


@operation("memory-test-bent")
@dataclass(frozen=True)
class Bent(Operation):
    """A convolution layer's three taps, an activation, a pointwise convolution."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, ConvSite) and site.groups == 1

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, ConvSite)
        three = Lattice((3,) * site.axes, (1,) * site.axes)
        return nn.Sequential(
            site.layer(three, groups=1), nn.GELU(), site.pointwise(site.outputs, site.outputs)
        )


@dataclass(frozen=True)
class Case:
    network: nn.Module
    reopening: Reopening
    x: Tensor
    target: Tensor

    def opened(self, relaxation: str) -> Supernet:
        supernet = Supernet.reopen(self.network, self.reopening, relaxation=RELAXATIONS[relaxation])
        supernet.equalise()
        return supernet


def own(length: int = 16) -> Case:
    network = resolve("adaptd.space.sequence:convnet")(in_channels=1, classes=3, width=4)
    candidates = (
        "dw k3 d1",
        "dw k5 d4",
        "maxpool k3",
        "memory-test-maximum k3",
    )
    # One before and one behind the other, and one at half the length.
    edges = ("cells.0.edges.0", "cells.0.edges.2", "cells.1.edges.1")
    return Case(
        network,
        Reopening(dict.fromkeys(edges, candidates), {edge: edge[:7] for edge in edges}),
        torch.randn(256, 1, length),
        torch.zeros(256, dtype=torch.int64),
    )


def foreign() -> Case:
    network = resolve("tests.networks:plain_cnn")(norm="batch", width=4)
    candidates = ("conv k3 d1", "conv k5 d1", "sepconv k3 d1", "memory-test-bent")
    edges = [name for name, edge in edges_of(network).items() if isinstance(edge.site, ConvSite)]
    return Case(
        network,
        Reopening(dict.fromkeys(edges, candidates), dict(zip(edges, edges, strict=True))),
        torch.randn(256, 3, 16, 16),
        torch.zeros(256, dtype=torch.int64),
    )


CASES = {"own": own, "foreign": foreign}


@pytest.mark.parametrize("name", ["plain_cnn", "residual_1d", "mobile", "perceptron"])
def test_what_a_plain_network_keeps_is_foretold(name: str) -> None:
    given = FOREIGN[name]
    network = resolve(given.factory)(**given.settings)
    x, target = torch.randn(64, *given.shape), torch.zeros(64, dtype=torch.int64)
    for batch in (16, 64):
        kept = saved_activation_bytes(network, x[:batch].clone(), target[:batch].clone())
        assert kept <= predict_bytes(network, x[:3], target[:3], batch=batch) <= 1.01 * kept


def test_a_workspace_that_is_rounded_is_foretold_to_two_per_cent() -> None:
    network = resolve("tests.networks:recurrent_network")()
    x, target = torch.randn(64, 3, 32), torch.zeros(64, dtype=torch.int64)
    assert predict_bytes(network, x[:3], target[:3], batch=64) == pytest.approx(
        saved_activation_bytes(network, x, target), rel=0.02
    )


@pytest.mark.parametrize("relaxation", FAST_AND_SLOW)
@pytest.mark.parametrize("case", CASES)
def test_what_an_open_network_keeps_is_foretold(case: str, relaxation: str) -> None:
    given = CASES[case]()
    supernet = given.opened(relaxation)
    for batch in BATCHES:
        kept = step_bytes(supernet, given.x[:batch], given.target[:batch])
        foretold = predict_bytes(supernet, given.x[:5], given.target[:5], batch=batch)
        assert kept <= foretold <= 1.1 * kept


@pytest.mark.parametrize(
    "relaxation",
    [
        "merged",
        "one-path",
        pytest.param("partial", marks=pytest.mark.slow),
        pytest.param("two-paths", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("case", CASES)
def test_no_draw_keeps_more_than_was_foretold(case: str, relaxation: str) -> None:
    given = CASES[case]()
    supernet = given.opened(relaxation)
    x, target = given.x[:32].clone(), given.target[:32].clone()
    foretold = predict_bytes(supernet, x, target, batch=32)
    kept = set()
    for _ in range(20):
        supernet.draws.random()  # What is measured is a copy, which draws from where this is.
        kept.add(saved_activation_bytes(supernet, x, target))
    assert max(kept) <= foretold
    if relaxation == "one-path":
        assert len(kept) > 1


def test_the_worst_draw_is_that_of_all_draws() -> None:
    given = own()
    supernet = given.opened("one-path")
    x, target = given.x[:8].clone(), given.target[:8].clone()
    mixed = list(supernet.mixed_edges().values())
    kept = []
    for paths in itertools.product((-1, 0, 1), repeat=len(mixed)):
        for edge, path in zip(mixed, paths, strict=True):
            edge.forced = (path,)
        kept.append(saved_activation_bytes(supernet, x, target))
    assert min(kept) < max(kept) == step_bytes(supernet, x, target)


@pytest.mark.slow
@pytest.mark.parametrize("relaxation", ["merged", "one-path", "checkpointed"])
def test_tensors_alive_at_the_peak_of_a_step_are_about_what_was_foretold(relaxation: str) -> None:
    given = own(length=64)
    supernet = given.opened(relaxation).train()
    x, target = given.x, given.target
    foretold = predict_bytes(supernet, x[:4], target[:4], batch=len(x))
    peaks = []
    for _ in range(6):
        with LiveBytes() as live:
            torch.autograd.backward(functional.cross_entropy(supernet(x), target))
        peaks.append(live.peak)
        supernet.zero_grad()
    # Above it lie gradients and what an operator needs for itself; below it, where edges are
    # checkpointed, what is free again by the time that the largest one is recomputed.
    assert 0.75 * foretold <= max(peaks) <= 1.1 * foretold


def test_checkpointing_is_charged_for_what_it_computes_again() -> None:
    given = own()
    supernet = given.opened("checkpointed")
    x, target = given.x[:64].clone(), given.target[:64].clone()
    kept = saved_activation_bytes(supernet, x, target)
    one_path = predict_bytes(given.opened("one-path"), x, target, batch=64)
    assert kept <= predict_bytes(supernet, x, target, batch=64) < one_path


def test_a_part_that_is_computed_twice_is_charged_for_the_second_time() -> None:
    x = torch.randn(4, 6, requires_grad=True)

    def twice(x: Tensor) -> Tensor:
        return x.exp().tanh()

    # Of the second time both outcomes; of the first the input, which is known.
    both = 2 * 4 * 6 * 4
    once = partial(recomputed, nn.Identity(), twice, x)
    assert saved_bytes(once, besides=[x]) == both
    # One part after the other: what is kept between them, and the larger of the two.
    assert saved_bytes(lambda: recomputed(nn.Identity(), twice, once()), besides=[x]) == (
        both + both // 2
    )


def test_an_edge_that_is_never_called_keeps_nothing() -> None:
    network = resolve("tests.networks:idle_cnn")()
    idle = "features.1.unused"
    opened = Supernet.reopen(
        network,
        Reopening({idle: ("conv k3 d1", "memory-test-bent")}, {idle: idle}),
        relaxation=LADDER["checkpointed"],
    )
    x, target = torch.randn(4, 3, 16, 16), torch.zeros(4, dtype=torch.int64)
    assert predict_bytes(opened, x, target, batch=64) == predict_bytes(network, x, target, batch=64)


def test_a_slice_is_not_counted_as_all_that_it_is_cut_from() -> None:
    network = resolve("tests.networks:plain_cnn")()
    x, target = torch.randn(4000, 3, 16, 16), torch.zeros(4000, dtype=torch.int64)
    assert step_bytes(network, x[:8], target[:8]) == step_bytes(
        network, x[:8].clone(), target[:8].clone()
    )
    assert step_bytes(network, x[:8], target[:8]) < x.nbytes


def test_dense_answers_are_foretold_with_the_loss_that_trains_them() -> None:
    network = resolve("tests.networks:unet")()
    x, target = torch.randn(16, 3, 16, 16), torch.randn(16, 4, 16, 16)
    kept = saved_activation_bytes(network, x, target, loss=functional.mse_loss)
    foretold = predict_bytes(network, x[:2], target[:2], batch=16, loss=functional.mse_loss)
    assert kept <= foretold <= 1.01 * kept


def test_foretelling_leaves_everything_as_it_was() -> None:
    given = own()
    supernet = given.opened("one-path").eval()
    before, drawn = copy.deepcopy(supernet.state_dict()), supernet.draws.getstate()
    generator = torch.get_rng_state()
    predict_bytes(supernet, given.x, given.target, batch=64)
    torch.testing.assert_close(supernet.state_dict(), before, atol=0, rtol=0)
    assert supernet.draws.getstate() == drawn
    assert torch.equal(torch.get_rng_state(), generator)
    assert not supernet.training
    assert all(edge.forced is None for edge in supernet.mixed_edges().values())


def test_what_was_measured_is_free_again() -> None:
    x = torch.randn(4, 6, requires_grad=True)
    made = []

    def run() -> None:
        hidden = x.relu()  # Saved by the very node that made it.
        made.append(weakref.ref(hidden))

    assert saved_bytes(run, besides=[x]) == 4 * 6 * 4
    gc.collect()
    assert made[0]() is None


def test_no_batch_and_no_example_are_refused() -> None:
    given = own()
    with pytest.raises(ValueError, match="at least one record, got 0 and 256"):
        predict_bytes(given.network, given.x, given.target, batch=0)
    with pytest.raises(ValueError, match="at least one record, got 64 and 0"):
        predict_bytes(given.network, given.x[:0], given.target[:0], batch=64)
