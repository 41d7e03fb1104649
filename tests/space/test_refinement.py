"""Blocks that add to what enters them."""

import torch
from torch import Tensor, nn

from adaptd.space.refinement import Refinement


class Doubling(Refinement):
    """Adds twice what enters."""

    def refine(self, x: Tensor) -> Tensor:
        return 2 * x


def test_a_refinement_adds_its_scaled_outcome_channel_by_channel() -> None:
    block = Doubling(2, axes=1, predecessor=None)
    x = torch.ones(1, 2, 3)
    torch.testing.assert_close(block(x), 3 * x)
    with torch.no_grad():
        block.scale.weight.copy_(torch.tensor([[1.0], [-0.5]]))
    assert block(x).tolist() == [[[3.0] * 3, [0.0] * 3]]


def test_a_silenced_one_passes_on_what_enters_and_learns_to_speak() -> None:
    block = Doubling(2, axes=0, predecessor=None)
    block.silence()
    x = torch.randn(5, 2)
    torch.testing.assert_close(block(x), x, atol=0, rtol=0)
    nn.functional.mse_loss(block(x), torch.zeros_like(x)).backward()  # type: ignore[no-untyped-call]
    assert block.scale.weight.grad is not None
    assert block.scale.weight.grad.all()
