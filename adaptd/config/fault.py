"""Faults of values that are sound by themselves: where they lie, and what they contradict."""

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

# Key of a fault's context that holds the other value's key, below the stream.
OTHER = "other"


def at_variance(other: str, least: int) -> PydanticCustomError:
    """A value that must be at least the value `least` of the stream's key `other`."""
    return PydanticCustomError(
        "at_variance", "expected at least {least}, which is {other}", {"least": least, OTHER: other}
    )


def at_key(key: str, value: object, fault: PydanticCustomError | str) -> ValidationError:
    """A fault that a section's validator finds in a key below the section.

    key: as the reader writes it, such as `1.name`. Raised from a validator, it is reported there.
    """
    if isinstance(fault, str):
        # Passed as a value: the text may hold braces.
        fault = PydanticCustomError("fault", "{text}", {"text": fault})
    location = tuple(int(part) if part.isdigit() else part for part in key.split("."))
    return ValidationError.from_exception_data(
        "fault", [InitErrorDetails(type=fault, loc=location, input=value)]
    )
