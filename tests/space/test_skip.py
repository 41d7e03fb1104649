"""Operations that do nothing."""

import pytest
import torch

from adaptd.space.cell import CellSite
from adaptd.space.operation import parse_operation
from adaptd.space.skip import FactorisedReduction


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_skip_hands_on_the_very_input(dimensions: int) -> None:
    x = torch.randn(2, 3, *(5,) * dimensions)
    assert CellSite(dimensions, 3).place(parse_operation("skip"))(x) is x


def test_the_halves_of_a_factorised_reduction_see_even_and_odd_positions() -> None:
    reduction = FactorisedReduction(2, 1, 2).eval()
    with torch.no_grad():
        for half in (reduction.even, reduction.odd):
            assert isinstance(half, torch.nn.Conv2d)
            half.weight.fill_(1)
    x = torch.arange(25.0).view(1, 1, 5, 5)
    even, odd = reduction(x)[0] * (1 + 1e-5) ** 0.5
    torch.testing.assert_close(even, x[0, 0, ::2, ::2])
    torch.testing.assert_close(odd[:2, :2], x[0, 0, 1::2, 1::2])
    assert not odd[2].any(), "beyond the end there is nothing"


def test_zeros_keep_the_dtype_and_hide_what_is_not_finite() -> None:
    x = torch.full((2, 3, 4), torch.inf, dtype=torch.float64)
    outcome = CellSite(1, 3, stride=2).place(parse_operation("none"))(x)
    torch.testing.assert_close(outcome, torch.zeros(2, 3, 2, dtype=torch.float64))
