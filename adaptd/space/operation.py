"""`Depthwise`: what may stand on an edge."""

import re
from dataclasses import dataclass

# No leading zeros, so that each operation has one text and equal architectures have equal digests.
_TEXT = re.compile(r"dw k([1-9][0-9]*) d([1-9][0-9]*)")


@dataclass(frozen=True, order=True)
class Depthwise:
    """A separable 1-D convolution whose depthwise part has so many taps, so far apart.

    taps: odd, >= 1, so that the kernel has a middle. dilation: samples between two taps, >= 1.
    Raises ValueError for anything else.
    """

    taps: int
    dilation: int = 1

    def __post_init__(self) -> None:
        if self.taps < 1 or self.taps % 2 == 0:
            raise ValueError(f"taps must be odd and at least 1, got {self.taps}")
        if self.dilation < 1:
            raise ValueError(f"dilation must be at least 1, got {self.dilation}")

    def __str__(self) -> str:
        return f"dw k{self.taps} d{self.dilation}"

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where the taps look, in samples from the output's own position, ascending."""
        return tuple(self.dilation * (tap - self.taps // 2) for tap in range(self.taps))

    @property
    def reach(self) -> int:
        """Samples from the middle tap to the outermost."""
        return self.dilation * (self.taps // 2)

    def macs(self, channels: int, length: int) -> int:
        """Multiply-accumulates on one record: length * (channels * taps + channels^2)."""
        return length * (channels * self.taps + channels**2)

    def grown(self) -> "Depthwise":
        """One more tap on either side, at the same dilation."""
        return Depthwise(self.taps + 2, self.dilation)


def parse_operation(text: str) -> Depthwise:
    """The operation that a text names, e.g. `dw k5 d4`. Raises ValueError with what is expected."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(
            f"operation must read 'dw k<taps> d<dilation>' such as 'dw k5 d4', got {text!r}"
        )
    try:
        return Depthwise(int(match[1]), int(match[2]))
    except ValueError as error:
        raise ValueError(f"operation {text!r}: {error}") from error
