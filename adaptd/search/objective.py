"""What a step of a gradient search minimises, and over what."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adaptd.search.task import Loss
from adaptd.search.training import Samples, loss_on
from adaptd.space import Supernet

# Of the finite difference, as a length of the weights' change: DARTS's 0.01.
_DIFFERENCE = 1e-2


@dataclass(frozen=True)
class AlphaStep:
    """What a step of the alphas is computed from. rate: the weights' present one."""

    supernet: Supernet
    trained: Samples
    judged: Samples
    loss: Loss
    rate: float

    def trained_loss(self) -> Tensor:
        """On the records that train weights, at the parameters' present values."""
        return loss_on(self.trained, self.supernet(self.trained.x), self.loss)

    def judged_loss(self) -> Tensor:
        """On the records that judge alphas."""
        return loss_on(self.judged, self.supernet(self.judged.x), self.loss)


@dataclass(frozen=True)
class Objective(ABC):
    """weights_first: share of the search in which only weights move, so that new taps are not
    judged before they have learnt anything. every: weight steps for one of the alphas."""

    weights_first: float = 0.15
    every: int = 2

    @property
    def is_bilevel(self) -> bool:
        """Whether alphas are judged on records that train no weight."""
        return True

    @property
    @abstractmethod
    def alpha_cost(self) -> int:
        """Gradient computations of one step of the alphas."""

    @abstractmethod
    def alpha_gradient(self, step: "AlphaStep") -> tuple[list[Tensor], float]:
        """The gradient for each of the alphas, and the loss on `judged`."""


@dataclass(frozen=True)
class FirstOrder(Objective):
    """min over alpha of the held-out loss at the present weights.

    Source: Liu et al. 2019, "DARTS: Differentiable architecture search", first order.
    """

    @property
    def alpha_cost(self) -> int:
        return 1

    def alpha_gradient(self, step: "AlphaStep") -> tuple[list[Tensor], float]:
        outcome = step.judged_loss()
        # Where the paths that were drawn let nothing through, edges before them have no part in it.
        gradients = torch.autograd.grad(
            outcome, step.supernet.architecture_parameters(), materialize_grads=True
        )
        return list(gradients), float(outcome.detach())


@dataclass(frozen=True)
class SingleLevel(FirstOrder):
    """Alphas and weights minimise the loss on the same records.

    Source: Hou et al. 2021, "Single-DARTS".
    """

    @property
    def is_bilevel(self) -> bool:
        return False


@dataclass(frozen=True)
class SecondOrder(Objective):
    """min over alpha of the held-out loss after one step of the weights, really unrolled.

    The gradient is that of L_held(w - rate * dL_train/dw, alpha): its second term, a product with
    the mixed second derivative, is a finite difference of two gradients.
    Source: Liu et al. 2019, "DARTS", equations 7 and 8.
    """

    @property
    def alpha_cost(self) -> int:
        # Unrolling, judging, and the two ends of the difference.
        return 4

    def alpha_gradient(self, step: "AlphaStep") -> tuple[list[Tensor], float]:
        return unrolled_gradient(
            step.supernet.weight_parameters(),
            step.supernet.architecture_parameters(),
            step.trained_loss,
            step.judged_loss,
            rate=step.rate,
        )


def unrolled_gradient(
    weights: Sequence[nn.Parameter],
    alphas: Sequence[nn.Parameter],
    trained: Callable[[], Tensor],
    judged: Callable[[], Tensor],
    *,
    rate: float,
) -> tuple[list[Tensor], float]:
    """d/d alpha of judged(w - rate * d trained/d w, alpha), and the value of judged there.

    trained, judged: the two losses at the parameters' present values, scalars. The mixed second
    derivative's product is (d trained/d alpha at w + e v less that at w - e v) / 2e, with v the
    gradient of judged and e = 0.01 / |v|. The weights are left as they were.
    """
    kept = [weight.detach().clone() for weight in weights]
    step = torch.autograd.grad(trained(), weights, allow_unused=True)
    with torch.no_grad():
        for weight, gradient in zip(weights, step, strict=True):
            if gradient is not None:
                weight.sub_(gradient, alpha=rate)
    outcome = judged()
    gradients = torch.autograd.grad(outcome, [*alphas, *weights], allow_unused=True)
    direct, direction = gradients[: len(alphas)], gradients[len(alphas) :]
    length = float(
        torch.stack([one.square().sum() for one in direction if one is not None]).sum().sqrt()
    )
    reach = _DIFFERENCE / max(length, 1e-12)
    ends = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            for weight, start, one in zip(weights, kept, direction, strict=True):
                weight.copy_(start)
                if one is not None:
                    weight.add_(one, alpha=sign * reach)
        ends.append(torch.autograd.grad(trained(), alphas, allow_unused=True))
    with torch.no_grad():
        for weight, start in zip(weights, kept, strict=True):
            weight.copy_(start)
    total = []
    for alpha, of_judged, ahead, behind in zip(alphas, direct, *ends, strict=True):
        gradient = torch.zeros_like(alpha) if of_judged is None else of_judged.clone()
        if ahead is not None and behind is not None:
            gradient -= rate * (ahead - behind) / (2 * reach)
        total.append(gradient)
    return total, float(outcome.detach())
