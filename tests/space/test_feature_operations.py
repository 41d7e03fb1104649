"""Products of features, gates, a residual block."""

import pytest
import torch
from torch import Tensor, nn

from adaptd.space.cell import CellSite
from adaptd.space.feature import FeatureSite
from adaptd.space.operation import parse_operation

SITE = FeatureSite.of(6)
OPERATIONS = ("cross r3", "glu", "resmlp e2")


def module(text: str) -> nn.Module:
    torch.manual_seed(0)
    return parse_operation(text).build(SITE).eval()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(7, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("text", OPERATIONS)
def test_an_operation_has_one_text_and_keeps_the_shape(text: str, x: Tensor) -> None:
    assert str(parse_operation(text)) == text
    assert module(text)(x).shape == x.shape
    assert not parse_operation(text).fits(CellSite(1, 6))


def test_a_cross_is_a_quadratic_form_of_the_features(x: Tensor) -> None:
    layer = module("cross r3")
    direction = torch.ones(6)
    values = torch.stack([layer(x + step * direction) for step in range(4)])
    third = values.diff(n=3, dim=0)
    second = values.diff(n=2, dim=0)
    torch.testing.assert_close(third, torch.zeros_like(third), atol=1e-4, rtol=0)
    assert second.abs().max() > 0.01, "more than linear"


def test_a_gate_of_zero_lets_nothing_through(x: Tensor) -> None:
    layer = module("glu")
    open_ = layer(x)
    with torch.no_grad():
        layer.get_parameter("gate.bias").fill_(-100)
    assert open_.any()
    torch.testing.assert_close(layer(x), torch.zeros_like(x))


def test_a_residual_map_passes_on_what_enters(x: Tensor) -> None:
    layer = module("resmlp e2")
    with torch.no_grad():
        for name in ("out.weight", "out.bias"):
            layer.get_parameter(name).zero_()
    torch.testing.assert_close(layer(x), x, atol=0, rtol=0)


@pytest.mark.parametrize("text", ["cross r0", "resmlp e0", "cross", "glu r2"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"operation '{text}'"):
        parse_operation(text)
