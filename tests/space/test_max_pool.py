"""Max pooling that keeps little."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.cost import saved_activation_bytes
from adaptd.space.pooling import MaxPooling


def of_torch(x: Tensor, taps: int, stride: int) -> Tensor:
    pool = functional.max_pool1d if x.ndim == 3 else functional.max_pool2d
    return pool(x, taps, stride, taps // 2)


@pytest.mark.parametrize("shape", [(3, 4, 17), (3, 4, 9, 14), (2, 1, 20, 20), (1, 2, 190, 190)])
@pytest.mark.parametrize(("taps", "stride"), [(3, 1), (3, 2), (5, 1), (5, 3)])
@pytest.mark.parametrize("is_channels_last", [False, True])
def test_outcome_and_gradient_are_those_of_torch(
    shape: tuple[int, ...], taps: int, stride: int, is_channels_last: bool
) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    if is_channels_last and len(shape) == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    outcome, expected = MaxPooling(taps, stride)(x), of_torch(x, taps, stride)
    torch.testing.assert_close(outcome, expected, atol=0, rtol=0)
    weights = torch.randn(outcome.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((outcome * weights).sum(), x)
    (wanted,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(gradient, wanted)


def test_of_small_images_a_step_keeps_one_byte_for_each_outcome() -> None:
    class Pooled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = MaxPooling(3, 1)
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            outcome: Tensor = self.pool(x + self.weight)
            return outcome

    x = torch.randn(8, 4, 16, 16)
    kept = saved_activation_bytes(Pooled(), x, x, loss=lambda outcome, _: outcome.sum())
    assert kept == x.numel()
