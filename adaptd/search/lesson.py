"""`Lesson`: what a teacher answers on records, which a student is to resemble."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from adaptd.search.task import Distance


@dataclass(frozen=True)
class Lesson:
    """A teacher's outputs on n records, computed once, and what they count in a loss.

    outputs: what the network gives, [n, …], e.g. logits [n, classes]; finite. is_known: float [n],
    0 for records on which the teacher's outputs were not finite: these teach nothing, else 1.
    weight: of the penalty. temperature: see `distance`, of the task.
    """

    outputs: Tensor
    is_known: Tensor
    weight: float
    temperature: float
    distance: Distance

    def penalty(self, outputs: Tensor) -> Tensor:
        """Of a student's outputs on the same records, a scalar: the weighted mean distance."""
        distances = self.distance(outputs, self.outputs, self.temperature)
        return self.weight * (distances * self.is_known).mean()

    def at(self, places: Tensor) -> "Lesson":
        """Of the records at these places, int64 [m]."""
        return replace(self, outputs=self.outputs[places], is_known=self.is_known[places])

    def to(self, device: torch.device) -> "Lesson":
        """The same on a device."""
        return replace(self, outputs=self.outputs.to(device), is_known=self.is_known.to(device))

    def followed_by(self, other: "Lesson") -> "Lesson":
        """This one's records, then the other's, of the same teacher."""
        return replace(
            self,
            outputs=torch.cat([self.outputs, other.outputs]),
            is_known=torch.cat([self.is_known, other.is_known]),
        )
