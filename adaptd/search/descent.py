"""`Descent`: the gradient search of a supernet, step by step."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from adaptd.search.checkpoint import Checkpoint, CheckpointError
from adaptd.search.guard import Guard, SearchView
from adaptd.search.objective import AlphaStep, Objective
from adaptd.search.task import Task
from adaptd.search.training import (
    BATCH_RECORDS,
    RATE,
    Samples,
    TrainingDiverged,
    descend,
    minibatches,
    optimiser_for,
    rate_at,
)
from adaptd.space import Supernet

# Adam's, about the logits that a step moves. A hundred times DARTS's: alphas have some sixty steps
# here, not tens of thousands, and must be able to move by a logit or two.
ALPHA_RATE = 3e-2
# DARTS's. The first is low so that alphas follow weights that still move.
_ALPHA_BETAS = (0.5, 0.999)
# Records that a guard judges by: enough for a curvature, few enough to cost one step.
_HELD_OUT_RECORDS = 4 * BATCH_RECORDS


class Descent:
    """Weights on one half of the samples, alphas on the other (or both on all of them).

    `advance` does one step of either: after a share of weights alone, every so many weight steps
    have one of the alphas after them. A step counts as many gradients as it computes.
    """

    def __init__(
        self,
        supernet: Supernet,
        samples: Samples,
        objective: Objective,
        *,
        steps: int,
        task: Task,
        generator: torch.Generator,
        guards: Sequence[Guard] = (),
    ) -> None:
        self.supernet = supernet.train()
        self.objective = objective
        self.steps = steps
        self.done = 0
        self.stopped: str | None = None
        self._task = task
        self._guards = tuple(guards)
        self._generator = generator
        order = torch.randperm(len(samples), generator=generator)
        half = len(samples) // 2
        judged, trained = (
            samples.divided(order, half) if objective.is_bilevel else (samples, samples)
        )
        held_out = judged.at(torch.arange(min(len(judged), _HELD_OUT_RECORDS)))
        self.held_out = held_out.resampled(generator)
        self._for_alphas = minibatches(judged, generator)
        self._for_weights = minibatches(trained, generator)
        self._weight_optimiser = optimiser_for(supernet.weight_parameters())
        self._alpha_optimiser = torch.optim.Adam(
            supernet.architecture_parameters(), lr=ALPHA_RATE, betas=_ALPHA_BETAS
        )
        self._weight_steps = 0
        self._owes_alphas = False

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, or a guard has ended the search."""
        return self.done >= self.steps or self.stopped is not None

    @property
    def view(self) -> SearchView:
        """What guards see between two steps."""
        return SearchView(self.supernet, self.held_out, self._task, self.done / max(self.steps, 1))

    def advance(self) -> float:
        """One step of the weights or of the alphas. Returns its loss.

        Raises TrainingDiverged if the loss is not finite, or a guard says so.
        """
        before = self.view
        for guard in self._guards:
            guard.before_step(before)
        moves_alphas = self._owes_alphas and self.done + self.objective.alpha_cost <= self.steps
        value = self._step_alphas() if moves_alphas else self._step_weights()
        after = replace(self.view, moved_alphas=moves_alphas, loss=value)
        for guard in self._guards:
            self.stopped = self.stopped or guard.after_step(after)
        return value

    def _step_weights(self) -> float:
        rate = rate_at(self.done, self.steps, RATE)
        value = descend(
            self.supernet,
            next(self._for_weights),
            self._weight_optimiser,
            rate=rate,
            step=self.done,
            loss=self._task.loss,
        )
        self.done += 1
        self._weight_steps += 1
        self._owes_alphas = (
            self.done > self.objective.weights_first * self.steps
            and self._weight_steps % self.objective.every == 0
        )
        return value

    def _step_alphas(self) -> float:
        judged = next(self._for_alphas)
        trained = judged
        if self.objective.alpha_cost > 1:
            trained = next(self._for_weights)
        rate = rate_at(self.done, self.steps, RATE)
        gradients, value = self.objective.alpha_gradient(
            AlphaStep(self.supernet, trained, judged, self._loss, rate)
        )
        if not math.isfinite(value) or not all(bool(one.isfinite().all()) for one in gradients):
            raise TrainingDiverged(
                f"the held-out loss is {value} at step {self.done}, or its gradient is not finite"
            )
        for alpha, gradient in zip(self.supernet.architecture_parameters(), gradients, strict=True):
            alpha.grad = gradient
        self._alpha_optimiser.step()
        self._alpha_optimiser.zero_grad(set_to_none=True)
        self.done += self.objective.alpha_cost
        self._owes_alphas = False
        return value

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of alphas: no penalty depends on weights."""
        total = self._task.loss(outputs, targets)
        for guard in self._guards:
            penalty = guard.penalty(self.supernet)
            total = total if penalty is None else total + penalty
        return total

    def save(self, checkpoint: Checkpoint) -> None:
        """Everything that the next step depends on."""
        checkpoint.put_module("supernet", self.supernet)
        checkpoint.put_optimiser("weight_optimiser", self._weight_optimiser)
        checkpoint.put_optimiser("alpha_optimiser", self._alpha_optimiser)
        checkpoint.put_generator("generator", self._generator)
        for name, batches in (("alphas", self._for_alphas), ("weights", self._for_weights)):
            checkpoint.tensors[f"batches.{name}"] = batches.order.clone()
        version, words, extra = self.supernet.draws.getstate()
        checkpoint.values["descent"] = {
            "done": self.done,
            "weight_steps": self._weight_steps,
            "owes_alphas": self._owes_alphas,
            "stopped": self.stopped,
            "places": [self._for_alphas.place, self._for_weights.place],
            "draws": [version, list(words), extra],
            "guards": {guard.name: dict(guard.state()) for guard in self._guards},
        }

    def restore(self, checkpoint: Checkpoint) -> None:
        """The way back, into a descent that was made with the same arguments.

        Raises CheckpointError if the checkpoint is of another search.
        """
        values: dict[str, Any] = checkpoint.values["descent"]
        checkpoint.load_module("supernet", self.supernet)
        checkpoint.load_optimiser("weight_optimiser", self._weight_optimiser)
        checkpoint.load_optimiser("alpha_optimiser", self._alpha_optimiser)
        checkpoint.load_generator("generator", self._generator)
        self._for_alphas.order = checkpoint.tensors["batches.alphas"].clone()
        self._for_weights.order = checkpoint.tensors["batches.weights"].clone()
        self._for_alphas.place, self._for_weights.place = values["places"]
        self.done, self._weight_steps = values["done"], values["weight_steps"]
        self._owes_alphas, self.stopped = values["owes_alphas"], values["stopped"]
        version, words, extra = values["draws"]
        self.supernet.draws.setstate((version, tuple(words), extra))
        restore_guards(self._guards, values["guards"])


def restore_guards(guards: Sequence[Guard], states: dict[str, Any]) -> None:
    """Raises CheckpointError if the states are of other guards."""
    names = [guard.name for guard in guards]
    if sorted(names) != sorted(states):
        raise CheckpointError(
            f"the checkpoint is of a search with the guards {sorted(states)}, not {sorted(names)}"
        )
    for guard in guards:
        guard.restore(states[guard.name])
