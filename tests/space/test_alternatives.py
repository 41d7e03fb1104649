"""What an edge may become, from its deployed operation and what enters it."""

import pytest
from torch import nn

from adaptd.space.alternatives import IMAGE_CANDIDATES, candidates_for, sequence_candidates
from adaptd.space.cell import CellSite
from adaptd.space.convolution import ConvSite
from adaptd.space.edges import Edge, read_edge
from adaptd.space.feature import FeatureSite
from adaptd.space.kernels import Depthwise
from adaptd.space.linear import LinearMap
from adaptd.space.operation import parse_operation


def of(layer: nn.Module, *entering: int) -> tuple[str, ...]:
    return candidates_for(read_edge("layer", layer), entering, entering)


def test_a_dense_convolution_can_shrink_grow_reach_further_and_be_factorised() -> None:
    assert of(nn.Conv2d(16, 32, 3, padding=1), 16, 32, 32) == (
        "conv k3 d1",
        "conv k1 d1",
        "conv k5 d1",
        "conv k3 d2",
        "conv k3 d4",
        "sepconv k3 d1",
        "lowconv r8 k3 d1",
        "lowconv r16 k3 d1",
    )


def test_a_depthwise_convolution_has_room_to_grow_by_four() -> None:
    assert of(nn.Conv1d(16, 16, 5, padding=2, groups=16), 16, 64) == (
        "conv k5 d1",
        "conv k3 d1",
        "conv k7 d1",
        "conv k5 d2",
        "conv k5 d4",
        "conv k9 d1",
    )


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (32, {"conv k3 d1", "conv k1 d1", "conv k5 d1", "conv k3 d2", "conv k3 d4", "conv k7 d1"}),
        (13, {"conv k3 d1", "conv k1 d1", "conv k5 d1", "conv k3 d2", "conv k3 d4"}),
        (8, {"conv k3 d1", "conv k1 d1", "conv k5 d1", "conv k3 d2"}),
        (4, {"conv k3 d1", "conv k1 d1"}),
    ],
)
def test_no_kernel_is_larger_than_the_input_allows(length: int, expected: set[str]) -> None:
    assert set(of(nn.Conv1d(3, 8, 3, padding=1), 3, length)) == expected


def test_without_padding_a_kernel_cannot_shrink() -> None:
    assert "conv k1 d1" not in of(nn.Conv2d(3, 8, 3), 3, 32, 32)
    assert "conv k5 d1" in of(nn.Conv2d(3, 8, 3), 3, 32, 32)


def test_an_even_kernel_stays_even_and_its_dilations_odd() -> None:
    assert of(nn.Conv2d(3, 8, 4, stride=4), 3, 64, 64) == (
        "conv k4 d1",
        "conv k6 d1",
        "conv k4 d3",
        "conv k4 d5",
        "conv k8 d1",
    )


def test_an_oblong_kernel_changes_along_its_long_axis_only() -> None:
    assert of(nn.Conv2d(4, 8, (1, 5), padding=(0, 2)), 4, 32, 32) == (
        "conv k1x5 d1",
        "conv k1x3 d1",
        "conv k1x7 d1",
        "conv k1x5 d1x2",
        "conv k1x5 d1x4",
        "conv k1x9 d1",
    )


def test_a_dilated_kernel_can_be_brought_back_together() -> None:
    found = of(nn.Conv1d(4, 8, 3, padding=2, dilation=2), 4, 64)
    assert {"conv k3 d1", "conv k3 d4", "conv k5 d2"} < set(found)
    assert found[0] == "conv k3 d2"


def test_a_single_tap_can_be_of_lower_rank_or_look_at_its_neighbours() -> None:
    layer = nn.Conv2d(16, 64, 1)
    assert of(layer, 16, 8, 8) == (
        "conv k1 d1",
        "lowconv r4 k1 d1",
        "lowconv r8 k1 d1",
        "conv k3 d1",
    )
    assert "conv k1x3 d1" in of(layer, 16, 1, 8)
    assert of(layer, 16, 1, 1) == ("conv k1 d1", "lowconv r4 k1 d1", "lowconv r8 k1 d1")


def test_narrow_or_grouped_convolutions_are_not_factorised() -> None:
    for layer, channels in ((nn.Conv1d(3, 64, 3), 3), (nn.Conv1d(64, 64, 3, groups=4), 64)):
        assert all(text.startswith("conv") for text in of(layer, channels, 64))


def test_a_factorised_edge_can_become_dense_again() -> None:
    site = ConvSite.of(nn.Conv1d(16, 16, 3, padding=1))
    edge = Edge("layer", site, parse_operation("lowconv r4 k3 d1"))
    found = candidates_for(edge, (16, 64), (1, 64))
    assert found[0] == "lowconv r4 k3 d1"
    assert "conv k3 d1" in found
    assert len(set(found)) == len(found) == 8


def test_a_matrix_can_be_of_lower_rank_blocks_or_a_diagonal() -> None:
    assert of(nn.Linear(16, 8), 16) == (
        "linear",
        "lowrank r2",
        "lowrank r4",
        "block b2",
        "block b4",
    )
    assert of(nn.Linear(12, 12), 12)[-1] == "diagonal"
    assert of(nn.Linear(7, 3), 7) == ("linear",)


def test_a_factorisation_that_saves_nothing_is_not_offered() -> None:
    # At rank 8 two 16 x 8 matrices are as many numbers as the 16 x 16 one.
    assert "lowrank r8" not in of(nn.Linear(16, 16), 16)


def test_an_edge_in_a_cell_gets_kernels_that_suit_the_record() -> None:
    edge = Edge("edge", CellSite(1, 8), Depthwise(7))
    narrow_to_far = ("dw k3 d1", "dw k5 d1", "dw k9 d1", "dw k5 d4")
    assert sequence_candidates(64) == narrow_to_far
    assert candidates_for(edge, (8, 32), (1, 64)) == (*narrow_to_far, "dw k7 d1")
    over_images = Edge("edge", CellSite(2, 8), Depthwise(3))
    assert candidates_for(over_images, (8, 8, 8), (1, 16, 16)) == IMAGE_CANDIDATES


def test_the_reach_of_candidates_doubles_up_to_an_eighth_of_the_record() -> None:
    for length in (8, 20, 64, 128, 500):
        reaches = [
            operation.lattice(CellSite(1, 4)).reach
            for text in sequence_candidates(length)
            if isinstance(operation := parse_operation(text), Depthwise)
        ]
        assert reaches == [2**place for place in range(len(reaches))]
        assert reaches[-1] <= max(1, length / 8) < 2 * reaches[-1]


def test_candidates_are_operations_in_their_one_text() -> None:
    for text in (*sequence_candidates(64), *IMAGE_CANDIDATES):
        assert str(parse_operation(text)) == text


def test_an_edge_over_features_gets_what_mixes_them() -> None:
    found = candidates_for(Edge("edge", FeatureSite.of(16), LinearMap()), (16,), (5,))
    assert {"linear", "lowrank r4", "cross r8", "glu"} <= set(found)
    assert not {"identity", "zero", "diagonal"} & set(found)
    kept = candidates_for(Edge("edge", FeatureSite.of(16), parse_operation("zero")), (16,), (5,))
    assert kept[-1] == "zero"
