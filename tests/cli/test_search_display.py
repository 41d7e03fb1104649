"""How a running search looks, and how a finished one is told."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adaptd.adaptation.search.job import Arm, Facts, SearchMoment
from adaptd.cli.search_display import (
    LineDisplay,
    bar,
    clock_time,
    introduction,
    open_search_display,
    picture,
    size,
)
from adaptd.cli.search_output import print_check, print_report
from adaptd.clock import FakeClock
from adaptd.server.wording import TIMES

FACTS = Facts(
    method="bounded",
    summary="",
    stream="lag-shift",
    records=1_500,
    held_out=500,
    steps=800,
    macs=12_176,
    caps={"multiply-accumulates": 13_393},
    groups={"cells.0": ("cells.0.edges.0",)},
    deployed={"cells.0": "dw k5 d1"},
    deployed_bytes=2**20,
    supernet_bytes=2**20 + 2**15,
    relaxation="merged",
    warnings=("few records",),
)
MOMENT = SearchMoment(
    "search", 80, 800, 1.25, {"cells.0": {"dw k5 d1": 0.25, "dw k9 d1": 0.625, "zero": 0.125}}
)
RACE = SearchMoment(
    "race", 80, 800, 1.25, arms=(Arm("a", "as given", 8, 1.5), Arm("b", "dw k9 d1", 8, 1.25))
)


def _shown(moment: SearchMoment, *, width: int = 110, height: int = 40) -> str:
    console = Console(
        width=width, height=height, file=io.StringIO(), force_terminal=True, no_color=True
    )
    with console.capture() as capture:
        console.print(picture(FACTS, moment, elapsed_seconds=20, console=console))
    return capture.get()


def test_the_table_names_phase_loss_memory_and_every_candidate() -> None:
    shown = _shown(MOMENT)
    for told in (
        "searching",
        "step 80 of 800",
        "1.2500",
        "0:20, about 3:00 left",
        f"keeps 1.03 MiB, 1.031 {TIMES} the 1.00 MiB deployed",
        "merged",
        "12.5",
        "dw k5 d1, deployed",
        "62.5",
    ):
        assert told in shown, shown
    [led] = [
        line for line in shown.splitlines() if line.lstrip("\x1b[0123456789m").startswith("cells.0")
    ]
    assert "dw k9 d1" in led


def test_a_race_shows_its_arms_the_best_first() -> None:
    shown = _shown(RACE)
    assert shown.index("dw k9 d1") < shown.index("as given")
    assert "1.5000" in shown
    assert "skips" not in shown


@pytest.mark.parametrize("groups", [2, 15, 60])
def test_however_many_groups_there_are_the_table_fits_the_terminal(groups: int) -> None:
    weights = {f"conv k{taps} d1": 0.2 for taps in (1, 3, 5, 7, 9)}
    moment = replace(MOMENT, alphas={f"layers.{place}": weights for place in range(groups)})
    facts_of_all = replace(FACTS, deployed=dict.fromkeys(moment.alphas, "conv k3 d1"))
    console = Console(width=110, height=30, file=io.StringIO(), force_terminal=True)
    with console.capture() as capture:
        console.print(picture(facts_of_all, moment, elapsed_seconds=1, console=console))
    lines = capture.get().splitlines()
    assert len(lines) <= 30
    assert ("more" in lines[-1]) == (groups == 60)


def test_lines_come_now_and_then_and_with_each_phase(clock: FakeClock) -> None:
    written = io.StringIO()
    display = LineDisplay(Console(file=written, width=200), clock)
    display.begin(FACTS)
    for step in range(1, 801):
        clock.advance(0.1)
        phase = "search" if step <= 205 else "fold"
        display.show(replace(MOMENT, step=step, phase=phase))
    display.show(replace(MOMENT, step=800, phase="export"))
    lines = written.getvalue().splitlines()
    assert "1,500 records to learn from" in lines[0]
    assert lines[1] == "note: few records"
    assert len([line for line in lines if "step" in line]) <= 26
    assert any("folding and training, step 206 of 800" in line for line in lines)
    assert "80.0 s  exporting" in lines[-1]
    assert "leads: cells.0 dw k9 d1 62%" in lines[2]


def test_a_file_gets_lines_and_a_terminal_a_table(clock: FakeClock) -> None:
    with open_search_display(Console(file=io.StringIO()), clock) as display:
        assert isinstance(display, LineDisplay)
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=110, height=40)
    with open_search_display(console, clock) as display:
        display.begin(FACTS)
        display.show(MOMENT)
        # So soon after the last one that nobody would see it.
        display.show(replace(MOMENT, step=81))
        clock.advance(1)
        display.show(replace(MOMENT, step=82))
    assert "step 80 of 800" in terminal.getvalue()
    assert "step 81 of 800" not in terminal.getvalue()
    assert "step 82 of 800" in terminal.getvalue()


def test_a_search_that_goes_on_says_where() -> None:
    assert "goes on after step 300" in introduction(replace(FACTS, resumed_at=300))


def test_bars_times_and_sizes() -> None:
    assert bar(0.5, 4) == "██  "
    assert bar(0.03125, 4) == "▏   "
    assert bar(2.0, 4) == "████"
    assert [clock_time(seconds) for seconds in (0, 75.4, 3_700)] == ["0:00", "1:15", "1:01:40"]
    assert [size(number) for number in (12, 2_048, 3 * 2**20)] == ["12 B", "2.00 KiB", "3.00 MiB"]


def _report(**changes: Any) -> dict[str, Any]:
    return {
        "method": "bounded",
        "steps": 800,
        "stopped": None,
        "records": {"stream": "lag-shift", "held_out": 500, "rejected": 267},
        "given": {"accuracy": 0.25, "macs": 1_000},
        "found": {"accuracy": 0.6, "macs": 1_080, "edits": ["a: dw k5 d1 becomes dw k9 d1"]},
        "memory": {
            "deployed_bytes": 2**20,
            "supernet_bytes": 2**20,
            "ratio": 1.0,
            "relaxation": "merged",
        },
        "alphas": {"a": {"dw k9 d1": 1.0}},
        "skip_share": 0.0,
        "caps": {"macs": 1_100, "memory_ratio": None},
        "opened": ["a"],
        "sensitivity": {},
        "guards": {"skips": {"acted": 2}},
        "phase_seconds": {"search": 4.0},
        "release": "abcdef" * 10,
        **changes,
    }


def _told(report: dict[str, Any]) -> str:
    console = Console(width=200, file=io.StringIO())
    with console.capture() as capture:
        print_report(console, report, Path("out"))
    return capture.get()


def test_the_report_tells_of_each_cap_and_of_what_was_opened() -> None:
    told = _told(
        _report(
            caps={"macs": 1_100, "parameters": 90, "latency_seconds": 0.002},
            given={"accuracy": 0.2, "macs": 1_000, "parameters": 80, "latency_seconds": 0.001},
            found={
                "accuracy": 0.6,
                "macs": 1_080,
                "parameters": 88,
                "latency_seconds": 0.0015,
                "edits": [],
            },
            sensitivity={"a": {"dw k9 d1": 2.0}, "b": {"dw k9 d1": 0.5}},
        )
    )
    for part in ("parameters", "88", "1.500 ms", "opened", "1 of 2 edges, the most sensitive: a"):
        assert part in told
    for part in ("parameters", "ms", "opened"):
        assert part not in _told(_report())


def test_the_report_tells_what_was_measured() -> None:
    told = _told(_report())
    for part in ("25.0", "60.0", "+35.0", "1.08", "becomes dw k9 d1", "guard skips", "acted: 2"):
        assert part in told
    assert "ended early" not in told
    assert "267 records that do not fit" in told


def test_what_was_not_measured_is_a_dash_and_no_edit_is_said() -> None:
    told = _told(
        _report(
            given={"accuracy": None, "macs": 1_000},
            found={"accuracy": 0.6, "macs": 1_000, "edits": []},
            stopped="diverged: at step 3",
        )
    )
    assert "points" not in told
    assert "none: the given architecture" in told
    assert "diverged: at step 3" in told


def test_a_failed_check_is_said() -> None:
    console = Console(width=200, file=io.StringIO())
    with console.capture() as capture:
        print_check(
            console, [{"name": "reach", "expected": "more", "found": "less", "holds": False}]
        )
    assert "FAILED" in capture.get()
