"""`Missing`: what stands in for numbers that a record lacks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptd.config import RecordConfig


@dataclass(frozen=True)
class Missing:
    """stand_ins: one for each channel; None where a record that lacks a number does not fit.

    They are constants, and no means of what the stream has shown so far: those would depend on
    where a stream was begun, and the same record would not be the same after a restart.
    """

    stand_ins: tuple[float | None, ...]

    @classmethod
    def of(cls, record: RecordConfig, features: tuple[str, ...]) -> "Missing":
        """As a configuration has it. features: names of the channels."""
        other = 0.0 if record.missing == "zero" else None
        return cls(tuple(record.stand_ins.get(name, other) for name in features))

    @property
    def is_refused(self) -> bool:
        """Whether no record may lack a number."""
        return not any(self.takes)

    @property
    def takes(self) -> tuple[bool, ...]:
        """For each channel whether a record may lack its numbers."""
        return tuple(number is not None for number in self.stand_ins)

    def fill(self, x: NDArray[np.float32]) -> None:
        """Puts them in the place of NaN in x, float32 [n, channels, *axes]."""
        for channel, number in enumerate(self.stand_ins):
            if number is not None:
                values = x[:, channel]
                values[np.isnan(values)] = number
