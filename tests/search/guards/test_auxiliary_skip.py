"""A fading skip beside each edge."""

import copy

import pytest
import torch

from adaptd.search.guards import AuxiliarySkip
from adaptd.space.relaxation import CHECKPOINTED, MERGED, SOFT, Relaxation
from tests.search.guards.problems import SKIP, WITHOUT_SKIPS, two_edges, view_of


@pytest.mark.parametrize("relaxation", [MERGED, SOFT, CHECKPOINTED])
def test_what_enters_is_added_only_where_the_shape_stays(relaxation: Relaxation) -> None:
    # In evaluation, in which nothing is drawn.
    supernet = two_edges(relaxation=relaxation).eval()
    plain, halving = (supernet.mixed_edges()[name] for name in ("0", "1"))
    x = view_of(supernet).held_out.x
    without = plain(x), halving(x)
    guard = AuxiliarySkip()
    guard.start(view_of(supernet))
    guard.before_step(view_of(supernet, fraction=0.45))
    torch.testing.assert_close(plain(x), without[0] + 0.5 * x)
    torch.testing.assert_close(halving(x), without[1], atol=0, rtol=0)
    assert guard.report() == {"acted": True, "edges": 1, "last_weight": 0.5}


def test_its_weight_is_one_at_first_and_gone_before_the_end() -> None:
    supernet, guard = two_edges(), AuxiliarySkip()
    guard.start(view_of(supernet))
    weights = []
    for fraction in (0.0, 0.3, 0.6, 0.9, 0.95):
        guard.before_step(view_of(supernet, fraction=fraction))
        weights.append(supernet.mixed_edges()["0"].bypass)
    assert weights == pytest.approx([1, 2 / 3, 1 / 3, 0, 0])


def test_nothing_of_it_is_left_at_the_fold() -> None:
    supernet, guard = two_edges().eval(), AuxiliarySkip()
    untouched = copy.deepcopy(supernet)
    x = view_of(supernet).held_out.x
    guard.start(view_of(supernet))
    guard.before_step(view_of(supernet, fraction=0.2))
    assert not torch.equal(supernet(x), untouched(x))
    guard.finish(view_of(supernet, fraction=0.2))
    before = supernet(x)
    torch.testing.assert_close(before, untouched(x), atol=0, rtol=0)
    supernet.fold({"0": SKIP, "1": "dw k5 d1"})
    torch.testing.assert_close(supernet(x), before, atol=1e-5, rtol=1e-5)
    supernet.anneal(0)
    alone = supernet(x)
    torch.testing.assert_close(supernet.discretise()(x), alone, atol=0, rtol=0)


def test_edges_without_a_skip_to_win_get_none() -> None:
    supernet, guard = two_edges(WITHOUT_SKIPS), AuxiliarySkip()
    guard.start(view_of(supernet))
    guard.before_step(view_of(supernet))
    assert guard.report() == {"acted": False, "edges": 0, "last_weight": 1.0}
    assert not any(mixed.bypass for mixed in supernet.mixed_edges().values())


def test_looking_at_the_shapes_leaves_the_supernet_as_it_was() -> None:
    supernet = two_edges()
    before, drawn = copy.deepcopy(supernet.state_dict()), supernet.draws.getstate()
    AuxiliarySkip().start(view_of(supernet))
    torch.testing.assert_close(supernet.state_dict(), before, atol=0, rtol=0)
    assert supernet.draws.getstate() == drawn
    assert supernet.training
