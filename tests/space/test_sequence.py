"""The network for streams of sequences."""

import pytest
import torch

from adaptd.space.network import edges_of
from adaptd.space.sequence import convnet


def test_logits_come_one_row_a_record_whatever_the_length() -> None:
    network = convnet(in_channels=3, classes=5, width=4)
    for length in (2, 16, 33):
        assert network(torch.randn(7, 3, length)).shape == (7, 5)


def test_its_edges_are_named_by_cell() -> None:
    assert list(edges_of(convnet(in_channels=1, classes=2))) == [
        f"cells.{cell}.edges.{edge}" for cell in range(2) for edge in range(3)
    ]


def test_a_record_is_judged_alone_in_evaluation() -> None:
    network = convnet(in_channels=1, classes=3, width=4).eval()
    x = torch.randn(6, 1, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(x)[2:3], network(x[2:3]))


@pytest.mark.parametrize(
    "settings",
    [
        {"in_channels": 0, "classes": 2},
        {"in_channels": 1, "classes": 1},
        {"in_channels": 1, "classes": 2, "width": 0},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="convnet needs"):
        convnet(**settings)
