"""A demo in a terminal and in a pipe."""

from io import StringIO

import pytest
from rich.console import Console

from adaptd.cli.demo_display import View, open_display, panel
from adaptd.cli.demo_facts import Facts, read
from adaptd.cli.demo_setup import Demo
from adaptd.store.database import Database


@pytest.fixture
def facts(alarmed: Database, demo: Demo) -> Facts:
    with alarmed.read() as connection:
        return read(connection, demo.stream)


def test_a_pipe_gets_one_plain_line_for_each_event(facts: Facts) -> None:
    out = StringIO()
    with open_display(Console(file=out, width=40)) as display:
        display.show(View(facts, ["the [first] " + "long " * 20 + "event"], 300.0, 12.3))
        display.show(View(facts, [], 300.0, 12.8))
        display.show(View(facts, ["the second"], 300.0, 13.3))
    first, second = out.getvalue().splitlines()
    assert first.startswith("   12 s  the [first] long long")
    assert first.endswith("event")
    assert second == "   13 s  the second"


def test_a_terminal_keeps_events_and_takes_the_panel_away_at_the_end(facts: Facts) -> None:
    out = StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    with open_display(console) as display:
        display.show(View(facts, ["an event"], 300.0, 12.3))
        assert "adaptd demo" in out.getvalue()
    kept, _, panel_and_rest = out.getvalue().partition("╭")
    assert "12 s  an event" in kept
    # The last that is written erases each line that the panel took.
    erased = panel_and_rest.rpartition("╯")[2]
    assert erased.count("\x1b[2K") >= panel_and_rest.rpartition("╭")[2].count("\n")


def test_the_panel_shows_stream_champion_accuracy_and_phase(facts: Facts) -> None:
    out = StringIO()
    Console(file=out, width=120).print(panel(View(facts, [], 297.6, 1.0)))
    text = out.getvalue()
    for shown in ("4,224 records", "298 records/s", "release 1", "214 of 1,500 records"):
        assert shown in text


def test_the_panel_has_something_to_show_before_anything_happened(
    store: Database, demo: Demo
) -> None:
    with store.read() as connection:
        empty = read(connection, demo.stream)
    out = StringIO()
    Console(file=out, width=120).print(panel(View(empty, [], None, 0.0)))
    assert "none yet" in out.getvalue()
