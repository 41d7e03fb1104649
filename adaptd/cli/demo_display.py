"""How a running demo looks: a live panel in a terminal, a line for each event elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

from adaptd.cli.demo_events import unit
from adaptd.cli.demo_facts import Facts
from adaptd.server.wording import ABSENT, count, percent, phase

BAR_COLUMNS = 30


@dataclass(frozen=True)
class View:
    """What is shown now. rate: records per second; elapsed_seconds: since this run began."""

    facts: Facts
    fresh: Sequence[str]
    rate: float | None
    elapsed_seconds: float


class Display(Protocol):
    """Where a demo is watched. Called from one thread."""

    def show(self, view: View) -> None:
        """Shows the new events and the state beside them."""
        ...


class LineDisplay:
    """One plain line for each event, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def show(self, view: View) -> None:
        for text in view.fresh:
            self._console.print(_line(view, text), markup=False, soft_wrap=True)


class PanelDisplay:
    """Events scroll by above a panel that stays."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, view: View) -> None:
        for text in view.fresh:
            self._live.console.print(_line(view, text), markup=False)
        self._live.update(panel(view), refresh=True)


@contextmanager
def open_display(console: Console) -> Iterator[Display]:
    """The display that suits the console."""
    if not console.is_terminal:
        yield LineDisplay(console)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield PanelDisplay(live)


def panel(view: View) -> Panel:
    """Stream, champion, accuracy and the phase that is under way."""
    facts = view.facts
    grid = Table.grid(padding=(0, 2))
    # As wide as the longest phase, so that the panel keeps its width from phase to phase.
    grid.add_column(min_width=36)
    grid.add_column(min_width=BAR_COLUMNS)
    grid.add_column(min_width=32)
    rate = ABSENT if view.rate is None else f"{view.rate:,.0f} records/s"
    grid.add_row("stream", f"{count(facts.records)} records", rate)
    champion = f"release {facts.releases[-1].number}" if facts.releases else "none yet"
    grid.add_row("champion", champion, f"{percent(facts.accuracy)} of the latest 1,000 right")
    if facts.progress is not None:
        step, steps = facts.progress["step"], facts.progress["steps"]
        grid.add_row(
            phase(facts.progress["phase"]),
            ProgressBar(total=max(steps, 1), completed=min(step, steps), width=BAR_COLUMNS)
            if steps
            else "",
            f"{count(step)} of {count(steps)} {unit(facts.progress['phase'])}" if steps else "",
        )
    else:
        grid.add_row("observing", "", "")
    return Panel(grid, title="adaptd demo", title_align="left", expand=False)


def _line(view: View, text: str) -> str:
    return f"{view.elapsed_seconds:5.0f} s  {text}"
