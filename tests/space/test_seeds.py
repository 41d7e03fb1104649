"""Fresh weights that a seed alone decides."""

import torch

from adaptd.space.seeds import seeded


def test_the_seed_decides_and_the_global_generator_stays() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    with seeded(3):
        first = torch.rand(2)
    assert torch.equal(torch.rand(3), wanted)
    with seeded(3):
        assert torch.equal(torch.rand(2), first)
    with seeded(4):
        assert not torch.equal(torch.rand(2), first)
