"""Skips that are there only now and then."""

import math

import pytest
import torch

from adaptd.search.guards import DropPathOnSkips
from adaptd.search.method import search
from adaptd.space.relaxation import CHECKPOINTED, MERGED, ONE_PATH, SOFT, Relaxation
from tests.search.guards.problems import (
    SKIP,
    WITHOUT_SKIPS,
    open_problem,
    two_edges,
    view_of,
)


def test_the_rate_falls_linearly_to_nothing() -> None:
    supernet, guard = two_edges(), DropPathOnSkips(0.4)
    guard.start(view_of(supernet))
    for fraction, rate in ((0.0, 0.4), (0.5, 0.2), (0.75, 0.1)):
        guard.before_step(view_of(supernet, fraction=fraction))
        for mixed in supernet.mixed_edges().values():
            assert mixed.drop_rates == {2: pytest.approx(rate)}
    guard.finish(view_of(supernet, fraction=1.0))
    assert not any(mixed.drop_rates for mixed in supernet.mixed_edges().values())
    assert guard.report() == {"acted": True, "edges": 2, "first_rate": 0.4, "last_rate": 0.1}


@pytest.mark.parametrize("candidates", [("dw k3 d1", SKIP), ("dw k3 d1", "identity")])
def test_a_skip_is_there_or_not_and_its_weight_the_same_on_average(
    candidates: tuple[str, ...],
) -> None:
    supernet, guard = two_edges(candidates, relaxation=SOFT), DropPathOnSkips(0.25)
    guard.before_step(view_of(supernet))
    mixed = supernet.mixed_edges()["0"]
    with torch.no_grad():
        drawn = torch.stack([mixed._thinned(mixed.weights()) for _ in range(2_000)])
    assert sorted(set(drawn[:, 0].tolist())) == pytest.approx([0.5])
    assert sorted(set(drawn[:, 1].tolist())) == pytest.approx([0.0, 0.5 / 0.75])
    # Five standard errors: a false failure in 1.7 million seeds.
    share = float((drawn[:, 1] == 0).float().mean())
    assert abs(share - 0.25) < 5 * math.sqrt(0.25 * 0.75 / len(drawn))


@pytest.mark.parametrize("relaxation", [MERGED, SOFT, ONE_PATH])
@pytest.mark.parametrize("candidates", [("dw k3 d1", SKIP), ("dw k3 d1", "identity")])
def test_a_dropped_skip_leaves_the_other_candidate_alone(
    candidates: tuple[str, ...], relaxation: Relaxation
) -> None:
    supernet = two_edges(candidates, relaxation=relaxation)
    mixed = supernet.mixed_edges()["0"]
    # In all but one of ten million steps.
    mixed.drop_rates = {1: 1 - 1e-7}
    x = view_of(supernet).held_out.x
    alone = two_edges(candidates[:1], relaxation=relaxation).mixed_edges()["0"](x)
    # The norm of a merged kernel, and a path that is drawn, do away with the weight of a half.
    is_whole = relaxation == ONE_PATH or (relaxation == MERGED and candidates[1] == "identity")
    expected = alone if is_whole else 0.5 * alone
    # A norm adds a hundred-thousandth to a variance that is itself small.
    torch.testing.assert_close(mixed(x), expected, atol=1e-2, rtol=0)
    mixed.eval()
    before = mixed(x)
    mixed.drop_rates = {}
    torch.testing.assert_close(mixed(x), before, atol=0, rtol=0)


def test_a_step_that_is_computed_twice_drops_the_same() -> None:
    relaxations = (ONE_PATH, CHECKPOINTED)
    gradients = []
    for relaxation in relaxations:
        supernet, guard = two_edges(relaxation=relaxation), DropPathOnSkips(0.5)
        guard.before_step(view_of(supernet))
        x = view_of(supernet).held_out.x
        total = []
        for _ in range(6):
            loss = supernet(x).square().mul(torch.linspace(0, 1, 6)).sum()
            total.append(torch.cat(torch.autograd.grad(loss, supernet.architecture_parameters())))
        gradients.append(torch.stack(total))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_without_skips_nothing_is_dropped() -> None:
    supernet, guard = two_edges(WITHOUT_SKIPS), DropPathOnSkips()
    guard.start(view_of(supernet))
    guard.before_step(view_of(supernet))
    assert not any(mixed.drop_rates for mixed in supernet.mixed_edges().values())
    assert guard.report()["acted"] is False


def test_a_search_with_it_ends_and_can_be_repeated() -> None:
    problem = open_problem(steps=40)
    one, other = (search(problem, guards=[DropPathOnSkips(0.6)]) for _ in range(2))
    plain = search(problem)
    assert one is not None
    assert other is not None
    assert plain is not None
    assert one.alphas == other.alphas
    assert one.alphas != plain.alphas
    assert one.guards["drop-path-on-skips"]["acted"] is True


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\)"):
        DropPathOnSkips(rate)
