"""The table of spaces."""

import pytest
import torch

from adaptd.architecture import Setting
from adaptd.space.edges import edges_of
from adaptd.space.feature import FeatureSite
from adaptd.space.network import build, initial_architecture
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.spaces import SPACES, Space, baseline_for, merged_share, space_for
from adaptd.space.supernet import Reopening, Supernet

SETTINGS: dict[int, dict[str, Setting]] = {
    0: {"features": 5, "classes": 3},
    1: {"in_channels": 5, "classes": 3, "width": 4},
    2: {"in_channels": 5, "classes": 3, "width": 4},
}
SIZES = {0: (), 1: (16,), 2: (16, 16)}
every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


@every_space
def test_every_edge_of_a_space_opens_to_its_candidates_without_a_jump(space: Space) -> None:
    network = build(initial_architecture(space.factory, SETTINGS[space.axes]))
    edges = edges_of(network)
    candidates = {name: space.candidates_at(edge.site) for name, edge in edges.items()}
    assert set(space.candidates) == {text for texts in candidates.values() for text in texts}
    supernet = Supernet.reopen(network, Reopening(candidates, {name: name for name in edges}))
    x = torch.randn(4, 5, *SIZES[space.axes])
    torch.testing.assert_close(supernet.eval()(x), network.eval()(x), atol=1e-5, rtol=1e-5)


@every_space
def test_the_candidates_are_distinct_and_in_their_one_text(space: Space) -> None:
    assert len(set(space.candidates)) == len(space.candidates)
    assert [str(parse_operation(text)) for text in space.candidates] == list(space.candidates)


@pytest.mark.parametrize(
    ("shape", "name"),
    [((5,), "tabular"), ((3, 8, 9), "image"), ((1, 32), "sequence"), ((2, 7), "sequence")],
)
def test_the_shape_of_a_record_chooses_the_space(shape: tuple[int, ...], name: str) -> None:
    assert space_for(shape) is SPACES[name]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1, 2, 3, 4)])
def test_records_of_any_other_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="got shape"):
        space_for(shape)
    with pytest.raises(ValueError, match="got shape"):
        baseline_for(shape, classes=2)


@pytest.mark.parametrize("shape", [(5,), (2, 33), (3, 16, 24), (1, 96, 128)])
def test_the_baseline_takes_its_records_and_gives_the_outputs(shape: tuple[int, ...]) -> None:
    network = build(baseline_for(shape, classes=4)).eval()
    assert network(torch.randn(2, *shape)).shape == (2, 4)


def test_a_baseline_for_a_regression_gives_its_targets() -> None:
    assert build(baseline_for((2, 33), targets=3)).eval()(torch.randn(2, 2, 33)).shape == (2, 3)
    with pytest.raises(ValueError, match="either classes or targets"):
        baseline_for((2, 33))


def test_the_merged_share_counts_the_linear_candidates() -> None:
    assert merged_share(Space("x", "a:b", ("zero", "glu", "linear", "dw k3 d1"), 0)) == 0.75
    for space in SPACES.values():
        linear = [
            text for text in space.candidates if isinstance(parse_operation(text), LinearOperation)
        ]
        assert merged_share(space) == len(linear) / len(space.candidates)


def test_an_edge_is_offered_the_candidates_that_fit_it() -> None:
    at_six = SPACES["tabular"].candidates_at(FeatureSite.of(6))
    assert "lowrank r4" in at_six
    assert "block b2" in at_six
    assert not {"lowrank r8", "block b4"} & set(at_six)
