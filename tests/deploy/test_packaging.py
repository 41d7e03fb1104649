"""What the source distribution takes along."""

import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def included(project: dict[str, Any]) -> set[str]:
    return set(project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])


def test_the_source_distribution_holds_what_its_tests_and_its_image_need(
    included: set[str], root: Path
) -> None:
    # tests/deploy reads the files below deploy and configs, the Dockerfile and .dockerignore.
    needed = {"tests", "deploy", "configs", "Dockerfile", ".dockerignore", "Makefile"}
    # Each starts with "!"; a pattern among them stands for no one file.
    sent = {
        line.removeprefix("!").split("/")[0]
        for line in (root / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert included >= needed | sent | {".ci"}
