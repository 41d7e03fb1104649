"""Faults of values that are sound by themselves: where they lie, and what they contradict."""

from collections.abc import Callable

from pydantic import ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

# Key of a fault's context that holds the other value's key, below the stream.
OTHER = "other"


def at_variance(other: str, least: int) -> PydanticCustomError:
    """A value that must be at least the value `least` of the stream's key `other`."""
    return PydanticCustomError(
        "at_variance", "expected at least {least}, which is {other}", {"least": least, OTHER: other}
    )


def at_least(name: str, *, of: str) -> Callable[[int, ValidationInfo], int]:
    """A validator of a value that must be at least that of the field `name`, which stands before it
    in the stream's section `of`."""

    def check(value: int, info: ValidationInfo) -> int:
        least = info.data.get(name, value)
        if value < least:
            raise at_variance(f"{of}.{name}", least)
        return value

    return check


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
