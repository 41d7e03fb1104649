"""Where recorded data is found. It is never part of the checkout."""

from collections.abc import Mapping
from pathlib import Path

from adaptd.errors import PermanentError

VARIABLE = "ADAPTD_BENCHMARK_DATA"
CHECKOUT = Path(__file__).resolve().parents[1]


class MissingDataError(PermanentError):
    """A benchmark needs recorded data that is not where it was looked for. Exit code 2."""


def directory(option: Path | None, environment: Mapping[str, str]) -> Path:
    """The folder that was asked for, else the variable's, else `shared` beside the checkout.

    It need not exist: a benchmark on generated streams alone never looks.
    """
    if option is not None:
        return option
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    return CHECKOUT.parent / "shared"


def recorded(data: Path, name: str) -> Path:
    """What has that name, such as `streams` or a file in it, in the folder of recorded data.

    Raises MissingDataError if there is none.
    """
    path = data / name
    if not path.exists():
        raise MissingDataError(
            f"no recorded data at {path}: expected the folder {data} to hold {name}; "
            f"name another with --data DIR or the variable {VARIABLE}"
        )
    return path
