"""The nearest product of two narrow matrices."""

import torch
from torch import Tensor

# Share of the largest factor's size. Where the matrix has a lower rank, one factor of a pair is
# zero and the other one is this large: with both at zero neither would ever get a gradient.
_SMALLEST = 0.1


def nearest_factors(matrix: Tensor, *, rank: int) -> tuple[Tensor, Tensor]:
    """left [..., rows, rank] and right [..., rank, columns], whose product is the nearest.

    matrix: float [..., rows, columns], whose dtype the factors have too. Nearest in the sum of
    squared differences. rank: at most the smaller side.
    Source: Eckart & Young 1936.
    """
    # There is no decomposition in half precision.
    wide = matrix.to(torch.promote_types(matrix.dtype, torch.float32))
    left, sizes, right = torch.linalg.svd(wide, full_matrices=False)
    left, sizes, right = left[..., :rank], sizes[..., :rank], right[..., :rank, :]
    roots = sizes.sqrt()
    floor = _SMALLEST * roots.amax(-1, keepdim=True)
    scale = torch.where(floor > 0, torch.maximum(roots, floor), torch.ones_like(roots))
    left = left * (sizes / scale).unsqueeze(-2)
    return left.to(matrix.dtype), (scale.unsqueeze(-1) * right).to(matrix.dtype)
