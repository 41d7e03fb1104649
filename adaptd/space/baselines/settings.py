"""What the settings of a baseline may be; each check names the network, the setting, the value."""

import math


def require_counts(network: str, **counts: object) -> None:
    """Raises ValueError for a setting that is not a whole number >= 1."""
    for name, value in counts.items():
        # bool is an int in Python, but no count.
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{network} needs {name} to be a whole number >= 1, got {value!r}")


def require_positive(network: str, **factors: object) -> None:
    """Raises ValueError for a setting that is not a finite number > 0."""
    for name, value in factors.items():
        if not _is_number(value) or not 0 < value < math.inf:  # type: ignore[operator]
            raise ValueError(f"{network} needs {name} to be a number > 0, got {value!r}")


def require_rates(network: str, **rates: object) -> None:
    """Raises ValueError for a setting that is not a dropout rate, a number in [0, 1)."""
    for name, value in rates.items():
        if not _is_number(value) or not 0 <= value < 1:  # type: ignore[operator]
            raise ValueError(f"{network} needs {name} to lie in [0, 1), got {value!r}")


def require_choice(network: str, name: str, value: object, choices: tuple[object, ...]) -> None:
    """Raises ValueError for a setting that is none of the choices."""
    if isinstance(value, bool) or value not in choices:
        raise ValueError(f"{network} needs {name} to be one of {list(choices)}, got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
