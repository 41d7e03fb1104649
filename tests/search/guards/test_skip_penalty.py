"""Skips cost something."""

import pytest
import torch

from adaptd.search.guards import SkipPenalty
from adaptd.search.method import search
from tests.search.guards.problems import SKIP, WITHOUT_SKIPS, open_problem, two_edges, view_of


def test_it_is_the_summed_share_of_all_skips() -> None:
    supernet = two_edges(("dw k3 d1", SKIP, "identity", "zero"))
    supernet.set_logits("0", torch.tensor([0.4, 0.3, 0.2, 0.1]).log().tolist())
    supernet.set_logits("1", torch.tensor([0.7, 0.1, 0.1, 0.1]).log().tolist())
    penalty = SkipPenalty(2.0).penalty(supernet)
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx(2 * (0.5 + 0.2))
    for alpha in torch.autograd.grad(penalty, supernet.architecture_parameters()):
        # A step against it takes from skips and gives to all others.
        assert (alpha > 0).tolist() == [False, True, True, False]


def test_without_skips_nothing_is_added() -> None:
    assert SkipPenalty().penalty(two_edges(WITHOUT_SKIPS)) is None


@pytest.mark.slow
def test_a_search_ends_with_a_smaller_share_of_skips() -> None:
    problem = open_problem(steps=40)
    free, held = search(problem, guards=[SkipPenalty(0)]), search(problem, guards=[SkipPenalty(1)])
    assert free is not None
    assert held is not None
    assert held.guards["skip-penalty"]["last_share"] < free.guards["skip-penalty"]["last_share"]
    assert held.guards["skip-penalty"]["acted"] is True
    assert free.guards["skip-penalty"]["acted"] is False
    plain = search(problem)
    assert plain is not None
    assert free.alphas == plain.alphas


def test_the_shares_are_told() -> None:
    guard, supernet = SkipPenalty(), two_edges()
    guard.start(view_of(supernet))
    supernet.set_logits("0", [0.0, 0.0, -100.0])
    guard.after_step(view_of(supernet, moved_alphas=True))
    assert guard.report() == {
        "acted": True,
        "groups": 2,
        "first_share": pytest.approx(1 / 3, abs=1e-6),
        "last_share": pytest.approx(1 / 6, abs=1e-6),
    }
