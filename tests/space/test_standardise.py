"""The normaliser inside the network."""

import pytest
import torch
from torch import nn

from adaptd.space.sequence import convnet
from adaptd.space.standardise import Standardise, fit_standardisation


@pytest.mark.parametrize("size", [(), (16,), (4, 5)], ids=["features", "sequence", "image"])
def test_fitted_records_come_out_with_mean_zero_and_deviation_one_per_channel(
    size: tuple[int, ...],
) -> None:
    x = torch.randn(400, 2, *size, generator=torch.Generator().manual_seed(0))
    shape = (2, *(1,) * len(size))
    x = x * torch.tensor([5.0, 0.01]).view(shape) + torch.tensor([1e4, -3.0]).view(shape)
    layer = Standardise(2, axes=len(size))
    layer.fit(x)
    assert layer.mean.shape == layer.scale.shape == shape
    outcome = layer(x).transpose(0, 1).flatten(1).double()
    torch.testing.assert_close(
        outcome.mean(1), torch.zeros(2, dtype=torch.float64), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(
        outcome.std(1), torch.ones(2, dtype=torch.float64), atol=1e-2, rtol=0
    )


def test_unfitted_it_changes_nothing() -> None:
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(Standardise(3)(x), x)


def test_a_constant_channel_stays_finite() -> None:
    layer = Standardise(1)
    layer.fit(torch.full((4, 1, 8), 7.0))
    torch.testing.assert_close(layer(torch.full((1, 1, 8), 7.5)), torch.full((1, 1, 8), 0.5))


@pytest.mark.parametrize(
    ("axes", "shape"),
    [(1, (0, 2, 4)), (1, (3, 1, 4)), (1, (3, 2)), (1, (3, 2, 0)), (0, (3, 2, 1)), (2, (3, 2, 4))],
)
def test_records_of_another_shape_are_refused(axes: int, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected records \[n >= 1, 2.* got shape"):
        Standardise(2, axes=axes).fit(torch.zeros(shape))


def test_records_with_nan_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        Standardise(1).fit(torch.tensor([[[1.0, float("nan")]]]))


def test_the_networks_own_normaliser_is_fitted_and_a_network_without_one_left_alone() -> None:
    network = convnet(in_channels=1, classes=2, width=4)
    fit_standardisation(network, torch.full((4, 1, 8), 7.0))
    assert float(network.get_buffer("standardise.mean")) == 7.0
    fit_standardisation(nn.Linear(2, 2), torch.zeros(1, 1, 1))


def test_each_fitted_layer_sees_what_those_before_it_make_of_the_records() -> None:
    first, second = Standardise(1, axes=0), Standardise(1, axes=0)
    fit_standardisation(nn.Sequential(first, second), torch.tensor([[2.0], [6.0]]))
    assert (float(first.mean), float(second.mean)) == (4.0, 0.0)
    assert (float(first.scale), float(second.scale)) == (2.0, 1.0)
