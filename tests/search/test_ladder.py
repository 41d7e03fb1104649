"""The relaxation that a budget of bytes allows."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from adaptd.errors import PermanentError
from adaptd.search.ladder import MemoryBudgetExceeded, budget_bytes, choose_relaxation
from adaptd.search.training import Samples
from adaptd.space import LADDER, Operation, Reopening, Supernet, edges_of, operation
from adaptd.space.cell import CellSite
from adaptd.space.cost import saved_activation_bytes
from adaptd.space.memory import predict_bytes
from adaptd.space.network import resolve
from adaptd.space.site import Site

LINEAR = ("dw k3 d1", "dw k5 d1", "dw k9 d1", "dw k5 d4")
BATCH = 64


@operation("ladder-test-maximum")
@dataclass(frozen=True)
class Maximum(Operation):
    """Max pooling and batch norm."""

    taps: int = field(default=3, metadata={"letter": "k"})

    def fits(self, site: Site) -> bool:
        return isinstance(site, CellSite) and site.dimensions == 1

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, CellSite)
        return nn.Sequential(
            nn.MaxPool1d(self.taps, stride=site.stride, padding=self.taps // 2),
            nn.BatchNorm1d(site.channels),
        )


WITH_MAXIMUM = (*LINEAR, "ladder-test-maximum k3", "ladder-test-maximum k5")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    network: nn.Module = resolve("adaptd.space.sequence:convnet")(in_channels=1, classes=3, width=8)
    return network


@pytest.fixture(scope="module")
def example() -> Samples:
    return Samples(torch.randn(BATCH, 1, 32), torch.zeros(BATCH, dtype=torch.int64))


def opened(network: nn.Module, candidates: tuple[str, ...], edges: int = 6) -> Reopening:
    names = list(edges_of(network))[:edges]
    return Reopening(dict.fromkeys(names, candidates), dict(zip(names, names, strict=True)))


@pytest.fixture(scope="module")
def sizes(network: nn.Module, example: Samples) -> dict[str, int]:
    """Of each rung, with max pooling on the first two edges."""
    return foretold(network, opened(network, WITH_MAXIMUM, edges=2), example)


def foretold(network: nn.Module, reopening: Reopening, example: Samples) -> dict[str, int]:
    return {
        name: predict_bytes(
            Supernet.reopen(network, reopening, relaxation=relaxation),
            example.x,
            example.target,
            batch=BATCH,
        )
        for name, relaxation in LADDER.items()
    }


def test_linear_candidates_stay_on_the_first_rung_within_a_twentieth(
    network: nn.Module, example: Samples
) -> None:
    rung = choose_relaxation(
        network,
        opened(network, LINEAR),
        None,
        example,
        batch=BATCH,
        byte_budget=budget_bytes(1.05, network, example, batch=BATCH),
    )
    assert (rung.name, rung.relaxation) == ("merged", LADDER["merged"])


@pytest.mark.slow
def test_the_first_rung_that_fits_is_taken(
    network: nn.Module, example: Samples, sizes: dict[str, int]
) -> None:
    reopening = opened(network, WITH_MAXIMUM, edges=2)
    assert len({sizes[name] for name in ("merged", "partial", "one-path", "checkpointed")}) == 4
    for budget in sizes.values():
        rung = choose_relaxation(
            network, reopening, edges_of(network), example, batch=BATCH, byte_budget=budget
        )
        assert rung.name == next(name for name, size in sizes.items() if size <= budget)
        assert rung.predicted_bytes == sizes[rung.name]


@pytest.mark.slow
def test_what_was_chosen_keeps_within_the_budget_in_every_step(
    network: nn.Module, example: Samples
) -> None:
    budget = budget_bytes(1.2, network, example, batch=BATCH)
    assert budget is not None
    reopening = opened(network, WITH_MAXIMUM, edges=2)
    rung = choose_relaxation(network, reopening, None, example, batch=BATCH, byte_budget=budget)
    assert rung.name != "merged"
    supernet = Supernet.reopen(network, reopening, relaxation=rung.relaxation)
    supernet.equalise()
    for _ in range(10):
        supernet.draws.random()
        assert saved_activation_bytes(supernet, example.x, example.target) <= budget


def test_without_a_budget_the_freest_is_taken(network: nn.Module, example: Samples) -> None:
    assert budget_bytes(None, network, example, batch=BATCH) is None
    rung = choose_relaxation(
        network, opened(network, WITH_MAXIMUM), None, example, batch=BATCH, byte_budget=None
    )
    assert rung.name == "merged"


def test_a_ratio_is_of_the_deployed_networks_own_step(network: nn.Module, example: Samples) -> None:
    kept = saved_activation_bytes(network, example.x, example.target)
    assert budget_bytes(2.0, network, example, batch=BATCH) == pytest.approx(2 * kept, rel=0.01)


def test_where_nothing_fits_the_error_says_what_each_takes_and_what_would_help(
    network: nn.Module, example: Samples, sizes: dict[str, int]
) -> None:
    reopening = opened(network, WITH_MAXIMUM, edges=2)
    with pytest.raises(MemoryBudgetExceeded) as raised:
        choose_relaxation(network, reopening, None, example, batch=BATCH, byte_budget=1000)
    assert isinstance(raised.value, PermanentError)
    text = str(raised.value)
    assert "may keep 1,000 bytes" in text
    for name, size in sizes.items():
        assert f"{name} {size:,}" in text
    assert "open fewer edges" in text
    assert "smaller batch" in text
