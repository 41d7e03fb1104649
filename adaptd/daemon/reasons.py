"""Why an episode ended without a release, in words."""

from collections.abc import Mapping
from typing import Any


def held(broken: str) -> str:
    """broken: which channels, and what they have."""
    return f"a sensor is broken, which no model repairs: {broken}"


def without_proof(verdict: str, evidence: Mapping[str, Any]) -> str:
    """evidence: of a trial. The verdict, after how many records, and everybody's accuracy."""
    accuracy = ", ".join(
        f"{name} {100 * value:.1f} %" for name, value in evidence["accuracy"].items()
    )
    return f"{verdict} after {evidence['records']} records: {accuracy}"
