"""How candidates are computed at once."""

import pytest
import torch
from torch import Tensor, nn

from adaptd.space.cell import CellSite
from adaptd.space.cost import saved_activation_bytes
from adaptd.space.relaxation import LADDER, SOFT, Relaxation
from tests.space.explicit import opened


@pytest.mark.parametrize("numbers", [{"paths": 0}, {"channel_share": 0}, {"paths": -1}])
def test_numbers_below_one_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        Relaxation(**numbers)  # type: ignore[arg-type]


class Chain(nn.Module):
    """Several open edges, then the mean."""

    def __init__(self, relaxation: Relaxation) -> None:
        super().__init__()
        candidates = ("dw k3 d1", "test-curved", "dw k5 d1", "test-dropping")
        self.edges = nn.Sequential(
            *(
                opened(CellSite(1, 8), "dw k3 d1", candidates, relaxation=relaxation, seed=seed)
                for seed in range(4)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        outcome: Tensor = self.edges(x)
        return outcome.mean(-1)


def test_each_step_down_the_ladder_keeps_less_and_all_keep_less_than_every_candidate() -> None:
    x, target = torch.randn(16, 8, 64), torch.zeros(16, dtype=torch.int64)
    kept = [
        saved_activation_bytes(Chain(relaxation), x, target)
        for relaxation in (SOFT, *LADDER.values())
    ]
    # Drawn from the same seeds, a step down differs in what it keeps of the paths alone.
    everything, merged, partial, _, one_path, checkpointed = kept
    assert everything > merged > partial
    assert merged > one_path > checkpointed
