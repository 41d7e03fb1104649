"""The last layer."""

import pytest
import torch
from torch import nn

from adaptd.space.heads import RegressionHead, fit_targets, head


def test_a_classifier_ends_in_an_ordinary_linear_layer() -> None:
    layer = head("net", 4, classes=3, targets=None)
    assert type(layer) is nn.Linear
    assert layer.weight.shape == (3, 4)


@pytest.mark.parametrize(
    ("classes", "targets", "message"),
    [
        (None, None, "either classes or targets"),
        (2, 1, "either classes or targets"),
        (1, None, "classes >= 2, got 1"),
        (None, 0, "targets >= 1, got 0"),
    ],
)
def test_other_outputs_are_refused(classes: int | None, targets: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=f"net needs {message}"):
        head("net", 4, classes=classes, targets=targets)


def test_an_unfitted_regression_is_the_linear_layer_alone() -> None:
    layer = RegressionHead(4, 2)
    x = torch.randn(5, 4)
    torch.testing.assert_close(layer(x), nn.functional.linear(x, layer.weight, layer.bias))


def test_fitted_it_answers_in_the_units_of_the_targets() -> None:
    targets = torch.tensor([[1e6, 0.001], [3e6, 0.003]])
    network = nn.Sequential(RegressionHead(4, 2))
    x = torch.randn(5, 4)
    before = network(x)
    fit_targets(network, targets)
    expected = before * torch.tensor([1e6, 0.001]) + torch.tensor([2e6, 0.002])
    torch.testing.assert_close(network(x), expected)


def test_targets_of_one_number_need_no_axis_and_constant_ones_stay_finite() -> None:
    layer = RegressionHead(4, 1)
    layer.fit(torch.full((6,), 7.0))
    assert (float(layer.mean), float(layer.scale)) == (7.0, 1.0)


@pytest.mark.parametrize("shape", [(0, 2), (3, 1), (3,), (3, 2, 1)])
def test_targets_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected targets \[n >= 1, 2\]"):
        RegressionHead(4, 2).fit(torch.zeros(shape))


def test_targets_with_infinity_are_refused() -> None:
    with pytest.raises(ValueError, match="infinity"):
        RegressionHead(4, 1).fit(torch.tensor([1.0, float("inf")]))
