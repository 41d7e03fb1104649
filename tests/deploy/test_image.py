import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from adaptd.config import MetricsConfig, load


@pytest.fixture
def instructions(root: Path) -> list[str]:
    """The Dockerfile's instructions, one string each, without comments."""
    lines = [
        line
        for line in (root / "Dockerfile").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    return re.sub(r"\\\n\s*", "", "\n".join(lines)).split("\n")


def arguments(instructions: list[str], name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in instructions if line.startswith(f"{name} ")]


def test_what_the_image_copies_is_there_and_sent_to_the_builder(
    instructions: list[str], root: Path
) -> None:
    sent = {
        line.removeprefix("!")
        for line in (root / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    sources = {
        source
        for line in arguments(instructions, "COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    }
    assert "adaptd" in sources
    assert sources <= sent
    assert all((root / source).exists() for source in sources)


def test_the_container_runs_as_a_numeric_user_that_is_not_root(instructions: list[str]) -> None:
    assert arguments(instructions, "USER") == ["10001:10001"]


def test_the_entrypoint_is_the_daemon_itself_so_that_signals_reach_it(
    instructions: list[str],
) -> None:
    assert arguments(instructions, "ENTRYPOINT") == ['["adaptd"]']
    assert arguments(instructions, "CMD") == ['["run", "-c", "/etc/adaptd/config.yaml"]']


def test_the_health_check_asks_the_port_that_the_shipped_configuration_opens(
    instructions: list[str], root: Path
) -> None:
    port = load(root / "configs/quickstart.yaml", {}).metrics.port
    (check,) = arguments(instructions, "HEALTHCHECK")
    assert f"http://127.0.0.1:{port}/healthz" in check
    assert arguments(instructions, "EXPOSE") == [str(port)]
    assert port == MetricsConfig().port


def test_hadolint_finds_nothing(root: Path, tool: Callable[[str], str]) -> None:
    done = subprocess.run(
        [tool("hadolint"), root / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
