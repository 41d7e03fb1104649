"""`StackedTrainees`: trainees at one place of the same batches, advanced as one network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adaptd.search.trainee import Trainee
from adaptd.search.training import optimiser_for
from adaptd.space.stack import Stack, Unstackable

# What AdamW remembers of each weight.
_MOMENTS = ("exp_avg", "exp_avg_sq")
# Share of such layers beyond which a few trainees are no quicker together: half of them was 1.1 to
# 1.6 times the time of four networks over tables.
_MOST_LOOPED = 0.25


class StackedTrainees:
    """Each step is the one that every trainee would have made alone; weights differ by rounding.

    The trainees stay as they are until `unstack`, but for their place in the batches.
    Raises Unstackable if their networks make no stack, or they are not at one place.
    """

    def __init__(self, trainees: Sequence[Trainee]) -> None:
        first, *others = self._trainees = tuple(trainees)
        if not all(other.is_level_with(first) for other in others):
            raise Unstackable("the trainees are at different places, or of different batches")
        self._stack = Stack([trainee.network for trainee in trainees])
        if self._stack.looped_share > _MOST_LOOPED:
            raise Unstackable("too many of their layers would run once for each of them")
        self._stack.check(first.peek().x)
        self._optimiser = optimiser_for(self._stack.parameters)
        if first.done:
            self._adopt_moments()

    def advance(self, rate: float) -> list[float]:
        """One step of AdamW at this rate. Returns each one's loss. Raises TrainingDiverged."""
        batch, *_ = [trainee.take() for trainee in self._trainees]
        outcomes = self._stack(batch.x)
        losses = [
            trainee.loss_of(outcome, batch)
            for trainee, outcome in zip(self._trainees, outcomes, strict=True)
        ]
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(losses).sum(), inputs=self._stack.parameters)
        self._optimiser.step()
        for trainee in self._trainees:
            trainee.done += 1
        return [float(loss.detach()) for loss in losses]

    def unstack(self) -> None:
        """Leaves every trainee as if it had come here alone."""
        if not self._optimiser.state:
            return
        parameters = self._stack.parameters
        weights = [parameter.detach().clone() for parameter in parameters]
        moments: list[dict[str, list[Tensor]]] = [{} for _ in self._trainees]
        for moment in _MOMENTS:
            # A stack knows whose the numbers are of its parameters alone.
            _fill(parameters, [self._moment_of(one, moment) for one in parameters])
            for member, trainee in enumerate(self._trainees):
                self._stack.unstack(member)
                moments[member][moment] = [
                    one.detach().clone() for one in trainee.network.parameters()
                ]
        _fill(parameters, weights)
        for member, trainee in enumerate(self._trainees):
            self._stack.unstack(member)
            trainee.keep(moments[member])

    def _moment_of(self, parameter: nn.Parameter, moment: str) -> Tensor:
        """Zeros for what no loss depends on."""
        found: Tensor | None = self._optimiser.state.get(parameter, {}).get(moment)
        return torch.zeros_like(parameter) if found is None else found

    def _adopt_moments(self) -> None:
        stacked = {
            moment: Stack([trainee.network_of(moment) for trainee in self._trainees])
            for moment in _MOMENTS
        }
        for place, parameter in enumerate(self._stack.parameters):
            self._optimiser.state[parameter] = {
                "step": torch.tensor(float(self._trainees[0].done)),
                **{
                    moment: stack.parameters[place].detach().clone()
                    for moment, stack in stacked.items()
                },
            }


def _fill(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)
