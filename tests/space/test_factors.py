"""Nearest factors."""

import pytest
import torch

from adaptd.space.factors import nearest_factors


def test_the_product_is_the_nearest_of_its_rank() -> None:
    matrix = torch.randn(3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    left, right = nearest_factors(matrix, rank=2)
    assert left.shape == (3, 6, 2)
    assert right.shape == (3, 2, 5)
    missing = (matrix - left @ right).square().sum((1, 2))
    # What is left out is the sum of the squares of the other singular values.
    torch.testing.assert_close(missing, torch.linalg.svdvals(matrix)[:, 2:].square().sum(1))


def test_both_factors_of_a_pair_share_its_size() -> None:
    left, right = nearest_factors(torch.randn(6, 5), rank=3)
    torch.testing.assert_close(left.norm(dim=0), right.norm(dim=1))


@pytest.mark.parametrize("matrix", [torch.zeros(4, 4), torch.ones(4, 4)], ids=["zero", "rank one"])
def test_every_pair_of_factors_can_learn(matrix: torch.Tensor) -> None:
    left, right = (one.requires_grad_() for one in nearest_factors(matrix, rank=3))
    torch.testing.assert_close(left @ right, matrix, atol=1e-6, rtol=0)
    wanted = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad((left @ right - wanted).square().sum(), left)
    assert bool((gradient.norm(dim=0) > 1e-3).all())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_floating_dtype_is_kept(dtype: torch.dtype) -> None:
    matrix = torch.outer(torch.arange(1.0, 4), torch.arange(1.0, 3)).to(dtype)
    left, right = nearest_factors(matrix, rank=1)
    assert left.dtype == right.dtype == dtype
    torch.testing.assert_close((left @ right).float(), matrix.float(), atol=0.05, rtol=0.02)
