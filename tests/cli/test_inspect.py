"""`adaptd inspect`: what it prints of a network, and how wrong arguments end."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from adaptd.cli.main import app
from adaptd.errors import ConfigError
from adaptd.space.network import resolve
from tests.networks import FOREIGN

IDLE = ("inspect", "tests.networks:idle_cnn", "--shape", "3,16,16")

NETWORK = """\
from torch import nn

def make(*, width=4, is_deep=False):
    middle = [nn.Linear(width, width), nn.ReLU()] if is_deep else []
    return nn.Sequential(nn.Linear(12, width), nn.ReLU(), *middle, nn.Linear(width, 3))

def broken():
    return [][1]
"""


@pytest.fixture
def printed(runner: CliRunner) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        done = runner.invoke(app, arguments)
        assert done.exit_code == 0, done.output or done.exception
        return done.stdout

    return run


@pytest.fixture
def told(runner: CliRunner) -> Callable[..., str]:
    """What `main` says, on one line, before it exits with 2."""

    def run(*arguments: str) -> str:
        done = runner.invoke(app, arguments)
        assert isinstance(done.exception, ConfigError), done.output or done.exception
        assert "\n" not in str(done.exception)
        return str(done.exception)

    return run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of a user's, with a network in it, from which nothing was imported yet."""
    (tmp_path / "users_network.py").write_text(NETWORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "users_network", raising=False)
    return tmp_path


def test_layers_totals_and_refusals_are_printed(printed: Callable[..., str]) -> None:
    lines = printed(*IDLE).splitlines()
    [layer] = [line for line in lines if line.startswith("features.1.conv")]
    for part in ("conv k3 d1", "8→8", "8,16,16", "147 k", "conv k1 d1, k5 d1", "lowconv r2 k3 d1"):
        assert part in layer
    assert "3 layers to open, with 16 candidates; 100% of them merge" in "\n".join(lines)
    assert "A record of 3,16,16 takes 203 k multiply-accumulates." in lines
    [refused] = [line for line in lines if line.startswith("features.1.unused")]
    assert "Conv2d" in refused
    assert refused.rstrip().endswith("is never called in a forward pass in evaluation mode")


def test_json_is_the_inspection_with_what_was_asked(printed: Callable[..., str]) -> None:
    document = json.loads(printed(*IDLE, "--set", "width=16", "--batch", "8", "--json"))
    assert document["schema_version"] == 1
    assert (document["factory"], document["settings"]) == ("tests.networks:idle_cnn", {"width": 16})
    assert (document["shape"], document["batch"]) == ([3, 16, 16], 8)
    assert [edge["outputs"] for edge in document["edges"]] == [16, 16, 5]
    assert [one["name"] for one in document["refused"]] == ["features.1.unused"]


def test_a_named_layer_is_shown_candidate_by_candidate(printed: Callable[..., str]) -> None:
    lines = [line.split() for line in printed(*IDLE, "--edge", "head").splitlines()]
    assert ["lowrank", "r2", "26", "65%", "in", "the", "one", "kernel"] in lines
    assert not any(line[:1] == ["features.0.0"] for line in lines)


@pytest.mark.parametrize(("columns", "rows"), [(80, 2), (100, 2), (200, 1)])
def test_a_layer_takes_two_lines_where_the_terminal_is_narrow(columns: int, rows: int) -> None:
    from rich.console import Console

    from adaptd.cli.inspect_output import print_inspection
    from adaptd.space.inspection import inspect

    network = resolve("tests.networks:tied_cnn")()
    document = inspect(network, FOREIGN["tied"].shape).to_document()
    console = Console(width=columns, force_terminal=True, color_system=None, highlight=False)
    with console.capture() as capture:
        print_inspection(console, document)
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= columns
    [name] = [place for place, line in enumerate(lines) if "features.0.0" in line]
    [operation] = [
        place for place, line in enumerate(lines) if "conv k3 d1" in line and place >= name
    ]
    assert operation - name == rows - 1


def test_networks_of_this_project_are_told_by_their_edges(printed: Callable[..., str]) -> None:
    text = printed(
        *("inspect", "adaptd.space.sequence:convnet", "--set", "in_channels=1"),
        *("--set", "classes=4", "--shape", "1,64"),
    )
    assert "cells.1.edges.2  dw k3 d1" in text
    assert "6 layers to open, with 24 candidates" in text
    assert "The network marks its own edges; nothing else of it is looked at." in text


def test_a_network_of_the_current_directory_with_settings(
    printed: Callable[..., str], here: Path
) -> None:
    text = printed(
        *("inspect", "users_network:make", "--shape", "12", "--json"),
        *("--set", "width=8", "--set", "is_deep=true"),
    )
    assert [edge["outputs"] for edge in json.loads(text)["edges"]] == [8, 8, 3]


def test_weights_are_tried(
    printed: Callable[..., str], told: Callable[..., str], here: Path
) -> None:
    network: Any = resolve("tests.networks:perceptron")()
    arguments = ("inspect", "tests.networks:perceptron", "--shape", "12", "--weights")
    save_file(network.state_dict(), here / "good.safetensors")
    assert "3 layers to open" in printed(*arguments, "good.safetensors")
    torch.save({"0.weight": torch.zeros(2, 2)}, here / "bad.pt")
    assert told(*arguments, "bad.pt").startswith(
        "--weights: bad.pt: does not fit the network: missing 0.bias, 2.weight"
    )
    assert told(*arguments, "none.pt") == (
        "--weights: none.pt: cannot be read: No such file or directory"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("no_such_module:x", "--shape", "3"),
            "FACTORY: network 'no_such_module:x': cannot import",
        ),
        (("users_network", "--shape", "12"), "FACTORY: network must be 'package.module:factory'"),
        (("users_network:none", "--shape", "12"), "has no 'none'"),
        (("users_network:NETWORK", "--shape", "12"), "has no 'NETWORK'"),
        (("users_network:nn", "--shape", "12"), "must name a factory, got module"),
        (("users_network:broken", "--shape", "12"), "failed: IndexError: list index out of range"),
        (("users_network:make", "--shape", "12,x"), "--shape '12,x': expected one record's sizes"),
        (("users_network:make", "--shape", "0"), "--shape '0': expected one record's sizes"),
        (("users_network:make", "--shape", "11"), "does not take records of shape [11]: Runtime"),
        (("users_network:make", "--shape", "12", "--set", "width"), "--set 'width': expected KEY="),
        (("users_network:make", "--shape", "12", "--set", "width=[1]"), "--set 'width=[1]'"),
        (("users_network:make", "--shape", "12", "--set", "w=1"), "does not take the settings"),
        (("users_network:make", "--shape", "12", "--batch", "0"), "--batch 0: expected at least"),
        (("users_network:make", "--shape", "12", "--edge", "7"), "there is no edge '7'; expected"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_wrong_argument_is_told_in_one_line(
    told: Callable[..., str], here: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in told("inspect", *arguments)


@pytest.mark.slow
def test_the_installed_command_finds_a_network_beside_it_and_exits_2_without_one(
    here: Path,
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("adaptd"), "inspect", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=here,
        )

    done = run("users_network:make", "--shape", "12")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 layers to open" in done.stdout
    done = run("users_network:other", "--shape", "12")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "adaptd: FACTORY: network 'users_network:other': module 'users_network' has no 'other'\n"
    )
