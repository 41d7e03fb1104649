"""Why an episode ended without a release, in words."""

from collections.abc import Mapping
from typing import Any

HELD_SINCE = "a sensor was broken when the records came by which the drift was called"


def held(broken: str) -> str:
    """broken: which channels, and what they have."""
    return f"a sensor is broken, which no model repairs: {broken}"


def ended(collected: int, wanted: int) -> str:
    """How many training records there are, and how many there had to be."""
    return (
        f"the stream has ended with {collected} of {wanted} training records; none can come for a "
        "trial"
    )


def without_proof(verdict: str, evidence: Mapping[str, Any]) -> str:
    """evidence: of a trial. The verdict, after how many records, and everybody's accuracy."""
    accuracy = ", ".join(
        f"{name} {100 * value:.1f} %" for name, value in evidence["accuracy"].items()
    )
    return f"{verdict} after {evidence['records']} records: {accuracy}"
