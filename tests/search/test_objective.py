"""Gradients of the alphas; the unrolled one on a problem whose exact one is known."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from adaptd.architecture import Architecture
from adaptd.search.objective import (
    AlphaStep,
    FirstOrder,
    SecondOrder,
    SingleLevel,
    unrolled_gradient,
)
from adaptd.search.training import Samples
from adaptd.space import architecture_edges, build
from adaptd.space.cells.nas_bench_201 import operations_of, reopening
from adaptd.space.supernet import Supernet

RATE = 0.3


class Quadratic:
    """trained: w'Aw/2 + a'Bw; judged: |w - c|^2/2 + a'd + |a|^2/2. The difference is exact here."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        root = draw(4, 4)
        self.a, self.b, self.c, self.d = root @ root.T, draw(3, 4), draw(4), draw(3)
        self.w, self.alpha = nn.Parameter(draw(4)), nn.Parameter(draw(3))

    def trained(self) -> torch.Tensor:
        return self.w @ self.a @ self.w / 2 + self.alpha @ self.b @ self.w

    def judged(self) -> torch.Tensor:
        return (
            (self.w - self.c).square().sum() / 2
            + self.alpha @ self.d
            + self.alpha.square().sum() / 2
        )

    def unrolled(self) -> torch.Tensor:
        w, alpha = self.w.detach(), self.alpha.detach()
        return w - RATE * (self.a @ w + self.b.T @ alpha)

    def exact(self) -> torch.Tensor:
        return self.d + self.alpha.detach() - RATE * self.b @ (self.unrolled() - self.c)


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_the_judged_loss_after_one_step(seed: int) -> None:
    problem = Quadratic(seed)
    [gradient], value = unrolled_gradient(
        [problem.w], [problem.alpha], problem.trained, problem.judged, rate=RATE
    )
    torch.testing.assert_close(gradient, problem.exact(), rtol=1e-9, atol=1e-9)
    with torch.no_grad():
        problem.w.copy_(problem.unrolled())
    assert value == pytest.approx(problem.judged().item(), rel=1e-12)


def test_it_differs_from_the_first_order_by_the_second_term() -> None:
    problem = Quadratic(0)
    [gradient], _ = unrolled_gradient(
        [problem.w], [problem.alpha], problem.trained, problem.judged, rate=RATE
    )
    first = problem.d + problem.alpha.detach()
    assert float((gradient - first).norm()) > 0.1


def test_weights_and_alphas_are_left_as_they_were() -> None:
    problem = Quadratic(1)
    before = problem.w.detach().clone(), problem.alpha.detach().clone()
    unrolled_gradient([problem.w], [problem.alpha], problem.trained, problem.judged, rate=RATE)
    assert torch.equal(problem.w.detach(), before[0])
    assert torch.equal(problem.alpha.detach(), before[1])
    assert problem.w.grad is None
    assert problem.alpha.grad is None


def test_parameters_that_a_loss_does_not_know_count_as_constant() -> None:
    problem = Quadratic(2)
    unused_weight = nn.Parameter(torch.ones(2, dtype=torch.float64))
    unused_alpha = nn.Parameter(torch.ones(2, dtype=torch.float64))
    gradients, _ = unrolled_gradient(
        [problem.w, unused_weight],
        [problem.alpha, unused_alpha],
        problem.trained,
        problem.judged,
        rate=RATE,
    )
    torch.testing.assert_close(gradients[0], problem.exact(), rtol=1e-9, atol=1e-9)
    assert torch.equal(gradients[1], torch.zeros(2, dtype=torch.float64))


def test_a_step_of_the_alphas_counts_every_gradient_that_it_computes() -> None:
    assert FirstOrder().alpha_cost == SingleLevel().alpha_cost == 1
    assert SecondOrder().alpha_cost == 4
    assert FirstOrder().is_bilevel
    assert not SingleLevel().is_bilevel


def test_an_edge_that_nothing_comes_through_has_no_gradient_and_no_fault() -> None:
    operations = operations_of(("nor_conv k3",) * 6, cells=1)
    settings = {"in_channels": 1, "classes": 3, "width": 2, "cells": 1}
    architecture = Architecture("adaptd.space.cells.nas_bench_201:network", settings, operations)
    opening = reopening(cells=1)
    supernet = Supernet.reopen(build(architecture), opening, edges=architecture_edges(architecture))
    alphas = list(supernet.architecture_parameters())
    with torch.no_grad():
        # Of the paths that are drawn, the one that lets nothing through, on every edge.
        for alpha in alphas:
            alpha.zero_()[opening.operations("0").index("none")] = 50.0
    samples = Samples(torch.randn(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64))
    step = AlphaStep(supernet, samples, samples, functional.cross_entropy, RATE)
    gradients, _ = FirstOrder().alpha_gradient(step)
    assert [gradient.shape for gradient in gradients] == [alpha.shape for alpha in alphas]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    # Between the first node and the second, behind which nothing is drawn any more.
    assert not gradients[0].any()
