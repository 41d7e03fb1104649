"""A part that is computed twice."""

import pytest
import torch
from torch import Tensor, nn

from adaptd.space.cost import saved_activation_bytes
from adaptd.space.recompute import recomputed


class Deep(nn.Module):
    def __init__(self, *, lean: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lean = lean
        self.part = nn.Sequential(
            *(nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Tanh()) for _ in range(4)),
            nn.Dropout(0.5),
        )

    def forward(self, x: Tensor) -> Tensor:
        outcome: Tensor = recomputed(self.part, self.part, x) if self.lean else self.part(x)
        return outcome


@pytest.mark.parametrize("momentum", [0.1, None])
def test_it_is_the_same_step_with_the_same_statistics(momentum: float | None) -> None:
    plain, lean = Deep(lean=False), Deep(lean=True)
    for module in (*plain.modules(), *lean.modules()):
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = momentum
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        for one in (plain, lean):
            one.zero_grad()
            torch.manual_seed(3)
            one(x).square().sum().backward()
    torch.testing.assert_close(
        [one.grad for one in lean.parameters()], [one.grad for one in plain.parameters()]
    )
    torch.testing.assert_close(lean.state_dict(), plain.state_dict(), atol=0, rtol=0)
    norms = [one for one in lean.modules() if isinstance(one, nn.BatchNorm1d)]
    assert {norm.momentum for norm in norms} == {momentum}


def test_it_keeps_its_arguments_alone() -> None:
    x, target = torch.randn(8, 6), torch.zeros(8, dtype=torch.int64)
    lean, plain = (saved_activation_bytes(Deep(lean=lean), x, target) for lean in (True, False))
    assert lean < plain / 2
