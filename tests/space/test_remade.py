"""Kernels that are made again."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.convolve import convolve
from adaptd.space.lattice import Lattice, Support
from adaptd.space.remade import convolution, product, remade, scaled


def kept(compute: Callable[[], Tensor], *own: Tensor) -> list[tuple[int, ...]]:
    """Shapes of what is saved, but for what lies in the given tensors."""
    known = {tensor.untyped_storage().data_ptr() for tensor in own}
    saved: list[tuple[int, ...]] = []

    def note(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in known:
            saved.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        compute()
    return saved


@pytest.fixture
def parts() -> list[Tensor]:
    """Three matrices [6, 4] whose sum is the kernel."""
    torch.manual_seed(0)
    return [torch.randn(6, 4, 1, requires_grad=True) for _ in range(3)]


@pytest.mark.parametrize("shape", [(5, 4), (5, 3, 4)])
def test_a_product_and_its_gradients_are_torchs_and_only_x_is_kept(
    parts: list[Tensor], shape: tuple[int, ...]
) -> None:
    x = torch.randn(*shape, requires_grad=True)

    def made() -> Tensor:
        return parts[0] + parts[1] + parts[2]

    outcome = product(x, remade(made, parts))
    expected = functional.linear(x, made().squeeze(2))
    torch.testing.assert_close(outcome, expected)
    weights = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad((outcome * weights).sum(), (x, *parts)),
        torch.autograd.grad((expected * weights).sum(), (x, *parts)),
    )
    assert kept(lambda: product(x, remade(made, parts)), x, *parts) == []


SETTINGS = [
    ([Lattice((3,), (1,)), Lattice((5,), (1,))], (1,), (0,), 1),
    ([Lattice((3,), (1,)), Lattice((5,), (7,))], (2,), (1,), 2),
    ([Lattice((3, 1), (1, 1)), Lattice((1, 7), (1, 1))], (1, 2), (0, -1), 1),
    ([Lattice((3, 3), (1, 1)), Lattice((3, 3), (6, 6))], (2, 2), (0, 0), 2),
]


@pytest.mark.parametrize(("lattices", "stride", "slack", "groups"), SETTINGS)
def test_so_it_is_with_a_convolution(
    lattices: list[Lattice], stride: tuple[int, ...], slack: tuple[int, ...], groups: int
) -> None:
    support = Support.of(lattices)
    torch.manual_seed(0)
    x = torch.randn(3, 4, *(11,) * len(stride), requires_grad=True)
    parts = [
        torch.randn(6, 4 // groups, len(support.positions), requires_grad=True) for _ in range(2)
    ]

    def made() -> Tensor:
        return parts[0] + parts[1]

    def compute() -> Tensor:
        kernel = remade(made, parts)
        return convolution(x, kernel, support, stride=stride, slack=slack, groups=groups)

    outcome = compute()
    expected = convolve(x, made(), support, stride=stride, slack=slack, groups=groups)
    torch.testing.assert_close(outcome, expected)
    weights = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad((outcome * weights).sum(), (x, *parts)),
        torch.autograd.grad((expected * weights).sum(), (x, *parts)),
    )
    assert kept(compute, x, *parts) == []


def test_a_scaled_kernel_is_not_kept(parts: list[Tensor]) -> None:
    weight = torch.tensor(0.3, requires_grad=True)
    left, right = parts[0].squeeze(2), parts[1].squeeze(2).t()

    def made() -> Tensor:
        return left @ right

    outcome, expected = scaled(weight, made, (left, right)), weight * made()
    torch.testing.assert_close(outcome, expected)
    numbers = torch.randn(6, 6)
    torch.testing.assert_close(
        torch.autograd.grad((outcome * numbers).sum(), (weight, *parts[:2])),
        torch.autograd.grad((expected * numbers).sum(), (weight, *parts[:2])),
    )
    own = (weight, *parts)
    assert kept(lambda: scaled(weight, made, (left, right)), *own) == []
    assert (6, 6) in kept(lambda: weight * made(), *own)


@pytest.mark.parametrize("of", ["product", "convolution"])
def test_what_was_changed_between_the_passes_is_noticed(of: str, parts: list[Tensor]) -> None:
    kernel = remade(lambda: parts[0] * 2, parts)
    support = Support.of([Lattice((1,), (1,))])
    outcome = (
        product(torch.randn(5, 4), kernel)
        if of == "product"
        else convolution(torch.randn(5, 4, 3), kernel, support, stride=(1,), slack=(0,), groups=1)
    )
    with torch.no_grad():
        parts[0].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(outcome.sum(), parts[0])


def test_it_trains_under_autocast(parts: list[Tensor]) -> None:
    x = nn.Parameter(torch.randn(5, 4))
    gradients = []
    for is_enabled in (True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_enabled):
            outcome = product(x, remade(lambda: parts[0] + parts[1], parts[:2]))
        gradients.append(torch.autograd.grad(outcome.float().sum(), (x, *parts[:2])))
    torch.testing.assert_close(gradients[0], gradients[1], atol=0.2, rtol=0.05)
