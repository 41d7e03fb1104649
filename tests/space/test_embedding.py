"""Embeddings of numbers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaptd.space.embedding import Periodic, PiecewiseLinear, embedding


def fitted(values: list[float], bins: int) -> PiecewiseLinear:
    layer = PiecewiseLinear(1, bins)
    layer.fit(torch.tensor(values).unsqueeze(1))
    return layer


def test_a_number_fills_the_bins_below_it_and_its_own_in_part() -> None:
    layer = fitted([0.0, 1.0, 10.0, 100.0], 3)
    codes = layer(torch.tensor([[0.0], [0.5], [1.0], [5.5], [55.0], [100.0]]))
    expected = [[0, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 1, 0.5], [1, 1, 1]]
    torch.testing.assert_close(codes, torch.tensor(expected))


def test_beyond_its_records_a_number_goes_on_linearly() -> None:
    layer = fitted([0.0, 1.0, 10.0, 100.0], 3)
    codes = layer(torch.tensor([[-2.0], [190.0]]))
    torch.testing.assert_close(codes, torch.tensor([[-2.0, 0, 0], [1, 1, 2]]))


def test_quantiles_that_are_equal_bound_one_bin() -> None:
    layer = fitted([0.0] * 51 + [1.0] * 50, 4)
    codes = layer(torch.tensor([[0.0], [0.25], [1.0]]))
    assert codes.isfinite().all()
    torch.testing.assert_close(codes.sum(1), torch.tensor([0.0, 0.25, 1.0]))
    constant = fitted([3.0] * 10, 4)
    assert not constant(torch.tensor([[3.0], [8.0]])).any()


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=30),
    st.integers(1, 6),
)
def test_a_larger_number_never_has_a_smaller_code(values: list[float], bins: int) -> None:
    layer = fitted(values, bins)
    x = torch.linspace(-2e3, 2e3, 101).unsqueeze(1)
    codes = layer(x)
    assert codes.isfinite().all()
    assert (codes.diff(dim=0) >= 0).all()


def test_each_feature_has_bins_of_its_own_which_hold_equally_many_records() -> None:
    x = torch.randn(1001, 2, generator=torch.Generator().manual_seed(0)).exp()
    x[:, 1] *= 1000
    layer = PiecewiseLinear(2, 4)
    layer.fit(x)
    codes = layer(x).unflatten(1, (2, 4))
    for feature in range(2):
        has_reached = (codes[:, feature] > 0).sum(0)
        assert has_reached.tolist() == [1000, 750, 500, 250]


def test_unfitted_bins_suit_standardised_numbers() -> None:
    x = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0))
    codes = PiecewiseLinear(1, 4)(x)
    share = (codes[:, 1:] > 0).float().mean(0)
    torch.testing.assert_close(share, torch.tensor([0.75, 0.5, 0.25]), atol=0.03, rtol=0)


@pytest.mark.parametrize("shape", [(0, 2), (3, 1), (3, 2, 1)])
def test_records_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected records \[n >= 1, 2\]"):
        PiecewiseLinear(2).fit(torch.zeros(shape))


def test_a_periodic_code_is_sine_and_cosine_at_the_features_frequencies() -> None:
    layer = Periodic(2, 1)
    with torch.no_grad():
        layer.frequency.copy_(torch.tensor([[0.25], [1.0]]))
    codes = layer(torch.tensor([[1.0, 0.125]]))
    root = math.sqrt(0.5)
    torch.testing.assert_close(codes, torch.tensor([[1.0, 0.0, root, root]]), atol=1e-6, rtol=0)


def test_another_embedding_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="got 'fourier'"):
        embedding("fourier", 3)
