"""Eigenvalues of Hessians that are known."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from adaptd.search.guards.curvature import (
    difference_product,
    dominant_eigenpair,
    hessian_product,
)


def parameters(*shapes: int, seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64))
        for shape in shapes
    ]


def matrix(eigenvalues: list[float], seed: int = 1) -> Tensor:
    """Symmetric, with these eigenvalues and random eigenvectors."""
    size = len(eigenvalues)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(size, size, generator=generator, dtype=torch.float64)
    basis: Tensor = torch.linalg.qr(noise).Q
    return basis.mul(torch.tensor(eigenvalues, dtype=torch.float64)) @ basis.T


def start(size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


@pytest.mark.parametrize("product", [hessian_product, difference_product])
@pytest.mark.parametrize(
    ("eigenvalues", "dominant"),
    [([3.0, 1.0, 0.5, 0.0, -1.0], 3.0), ([0.2, 0.1, 0.0, -0.3, -2.0], -2.0)],
)
def test_the_dominant_eigenvalue_of_a_quadratic_form_is_found(
    product: Any, eigenvalues: list[float], dominant: float
) -> None:
    alphas, form = parameters(2, 3), matrix(eigenvalues)
    kept = [alpha.detach().clone() for alpha in alphas]

    def loss() -> Tensor:
        place = torch.cat(list(alphas))
        return 0.5 * place @ form @ place + place.sum()

    found = dominant_eigenpair(product(loss, alphas), start(5), iterations=60, tolerance=1e-9)
    assert found.value == pytest.approx(dominant, rel=1e-5)
    torch.testing.assert_close(form @ found.vector, dominant * found.vector, atol=1e-3, rtol=0)
    for alpha, before in zip(alphas, kept, strict=True):
        torch.testing.assert_close(alpha.detach(), before, atol=0, rtol=0)


def test_a_curved_loss_has_the_hessian_that_torch_gives() -> None:
    (alpha,) = parameters(4)
    target = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)

    def of(place: Tensor) -> Tensor:
        return (torch.softmax(place, 0) - target).square().sum().exp()

    product = hessian_product(lambda: of(alpha), [alpha])
    hessian: Any = torch.autograd.functional.hessian(of, alpha.detach())  # type: ignore[no-untyped-call]
    columns = torch.stack([product(one) for one in torch.eye(4, dtype=torch.float64)])
    torch.testing.assert_close(columns, hessian)
    found = dominant_eigenpair(product, start(4), iterations=200, tolerance=1e-12)
    magnitudes = torch.linalg.eigvalsh(hessian).abs()
    assert abs(found.value) == pytest.approx(float(magnitudes.max()), rel=1e-6)


def test_it_ends_where_it_no_longer_moves() -> None:
    form = matrix([4.0, 0.1, 0.1])
    assert dominant_eigenpair(lambda vector: form @ vector, start(3)).products < 6
    again = dominant_eigenpair(lambda vector: form @ vector, matrix([4.0, 0.1, 0.1])[0])
    assert again.value == pytest.approx(4, rel=1e-2)


def test_a_straight_loss_has_no_curvature() -> None:
    alphas = parameters(3)
    for product in (hessian_product, difference_product):
        assert dominant_eigenpair(product(alphas[0].sum, alphas), start(3)).value == 0


class _Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        doubled: Tensor = 2 * x * gradient
        return doubled


def test_what_can_be_differentiated_only_once_is_refused_not_taken_for_straight() -> None:
    alphas = parameters(3)

    def loss() -> Tensor:
        squares: Tensor = _Square.apply(alphas[0])  # type: ignore[no-untyped-call]
        return squares.square().sum()

    with pytest.raises(RuntimeError, match="only once"):
        hessian_product(loss, alphas)
    found = dominant_eigenpair(difference_product(loss, alphas), start(3))
    assert found.value > 0
