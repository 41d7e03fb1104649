"""What the tests of the deployment files share: where they lie, and what the daemon exposes."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adaptd.telemetry import Metrics

# What the text format appends to the name of a metric, by its type.
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "info": ("_info",),
}


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sample_names() -> frozenset[str]:
    """Every name that a query may ask for."""
    return frozenset(
        family.name + suffix
        for family in Metrics().registry.collect()
        for suffix in SUFFIXES[family.type]
    )


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Finds a program that is no part of the project; a test that needs it skips without."""

    def find(name: str) -> str:
        # Some come with the test extras and lie beside the interpreter.
        places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        path = shutil.which(name, path=os.pathsep.join(places))
        if path is None:
            pytest.skip(f"{name} is not installed; CONTRIBUTING.md says where it comes from")
        return path

    return find
