"""How a running search looks: a live table in a terminal, lines elsewhere."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from adaptd.adaptation.search.job import Facts, SearchMoment, skip_share
from adaptd.clock import Clock
from adaptd.server.wording import TIMES, count, percent

# Seconds between two pictures: below, the eye sees no more and the search gets less.
_REFRESH_SECONDS = 0.2
# Columns.
_BAR, _PROGRESS = 20, 40
# Lines that the table must leave: panel, headings, and the prompt below.
_FRAME_LINES = 12
# Of a file: a line for each twentieth of the steps.
_LINES = 20

_BLOCKS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"

PHASES: Mapping[str, str] = {
    "search": "searching",
    "fold": "folding and training",
    "race": "racing",
    "train": "training the best",
    "export": "exporting and measuring",
}


class SearchDisplay(Protocol):
    """Where a search is watched. Called from one thread."""

    def begin(self, facts: Facts) -> None:
        """Called once, before the first step."""
        ...

    def show(self, moment: SearchMoment) -> None:
        """Called after each step."""
        ...


class SilentDisplay:
    """For those who only want the result."""

    def begin(self, facts: Facts) -> None:
        pass

    def show(self, moment: SearchMoment) -> None:
        pass


class LineDisplay:
    """A plain line now and then, for logs and pipes."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._started = clock.monotonic()
        self._facts: Facts | None = None
        self._phase = ""
        self._due = 0

    def begin(self, facts: Facts) -> None:
        self._facts = facts
        for line in introduction(facts):
            self._console.print(line, markup=False, soft_wrap=True)

    def show(self, moment: SearchMoment) -> None:
        if moment.phase == self._phase and moment.step < self._due:
            return
        self._phase = moment.phase
        stride = max(1, moment.steps // _LINES)
        self._due = (moment.step // stride + 1) * stride
        seconds = self._clock.monotonic() - self._started
        self._console.print(
            f"{seconds:6.1f} s  {PHASES.get(moment.phase, moment.phase)}, "
            f"step {count(moment.step)} of {count(moment.steps)}, loss {moment.loss:.3f}"
            f"{_lead(moment)}",
            markup=False,
            soft_wrap=True,
        )


class TableDisplay:
    """A table that stays and changes."""

    def __init__(self, live: Live, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._started = clock.monotonic()
        self._shown = float("-inf")
        self._facts: Facts | None = None

    def begin(self, facts: Facts) -> None:
        self._facts = facts
        self._started = self._clock.monotonic()
        for line in introduction(facts):
            self._live.console.print(line, markup=False)

    def show(self, moment: SearchMoment) -> None:
        now = self._clock.monotonic()
        is_last = moment.step == moment.steps
        if self._facts is None or (now - self._shown < _REFRESH_SECONDS and not is_last):
            return
        self._shown = now
        self._live.update(
            picture(
                self._facts,
                moment,
                elapsed_seconds=now - self._started,
                console=self._live.console,
            ),
            refresh=True,
        )


@contextmanager
def open_search_display(console: Console, clock: Clock) -> Iterator[SearchDisplay]:
    """The display that suits the console."""
    if not console.is_terminal:
        yield LineDisplay(console, clock)
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield TableDisplay(live, clock)


def introduction(facts: Facts) -> list[str]:
    """What is known before the first step, for a person."""
    caps = " and ".join(f"at most {_amount(most, unit)}" for unit, most in facts.caps.items())
    lines = [
        f"{facts.method} on {facts.stream}: {count(facts.records)} records to learn from, the "
        f"latest {count(facts.held_out)} to measure on; {count(facts.steps)} steps; "
        f"{count(facts.macs)} multiply-accumulates; {caps or 'no cap'}",
        *(f"note: {warning}" for warning in facts.warnings),
    ]
    if facts.resumed_at is not None:
        lines.append(f"goes on after step {count(facts.resumed_at)}")
    return lines


def _amount(value: float, unit: str) -> str:
    return f"{1_000 * value:.3g} ms" if unit == "seconds" else f"{count(int(value))} {unit}"


def picture(
    facts: Facts, moment: SearchMoment, *, elapsed_seconds: float, console: Console
) -> RenderableType:
    """The whole of it, as high as the terminal allows."""
    lines = max(4, console.size.height - _FRAME_LINES)
    head = _head(facts, moment, elapsed_seconds)
    body = _arms(moment, lines) if moment.arms else _groups(facts, moment, lines)
    return Group(
        Panel(head, title=f"adaptd search, {facts.method}", title_align="left", expand=False), body
    )


def bar(share: float, columns: int = _BAR) -> str:
    """A share in [0, 1] as a bar, to an eighth of a column."""
    eighths = round(max(0.0, min(1.0, share)) * columns * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_BLOCKS[rest] if rest else "")).ljust(columns)


def clock_time(seconds: float) -> str:
    """75.4 -> 1:15; 3700 -> 1:01:40."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def size(number: int) -> str:
    """1181116 -> 1.13 MiB."""
    for unit, of in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if number >= of:
            return f"{number / of:.2f} {unit}"
    return f"{number} B"


def _head(facts: Facts, moment: SearchMoment, elapsed_seconds: float) -> Table:
    grid = Table.grid(padding=(0, 2))
    # As wide as the longest phase, so that nothing moves when it changes.
    grid.add_column(min_width=max(map(len, PHASES.values())))
    grid.add_column(min_width=_PROGRESS)
    grid.add_column(min_width=24)
    grid.add_row(
        PHASES.get(moment.phase, moment.phase),
        ProgressBar(total=moment.steps, completed=moment.step, width=_PROGRESS),
        f"step {count(moment.step)} of {count(moment.steps)}",
    )
    grid.add_row("loss", f"{moment.loss:.4f}", _time(facts, moment, elapsed_seconds))
    grid.add_row(
        "training step", _memory(facts), "" if facts.relaxation is None else facts.relaxation
    )
    if moment.alphas:
        grid.add_row("skips and zeros", f"{percent(skip_share(moment.alphas))} of the weight", "")
    return grid


def _time(facts: Facts, moment: SearchMoment, elapsed_seconds: float) -> str:
    done = moment.step - (facts.resumed_at or 0)
    left = elapsed_seconds / done * (moment.steps - moment.step) if done > 0 else 0.0
    about = f", about {clock_time(left)} left" if left >= 1 else ""
    return f"{clock_time(elapsed_seconds)}{about}"


def _memory(facts: Facts) -> str:
    deployed = size(facts.deployed_bytes)
    if facts.supernet_bytes is None:
        return f"keeps {deployed}, one network at a time"
    ratio = facts.supernet_bytes / facts.deployed_bytes
    return f"keeps {size(facts.supernet_bytes)}, {ratio:.3f} {TIMES} the {deployed} deployed"


def _groups(facts: Facts, moment: SearchMoment, lines: int) -> Table:
    rows = sum(map(len, moment.alphas.values()))
    if rows <= lines:
        return _each_candidate(facts, moment)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("group", "leads", "weight", ""):
        table.add_column(column, no_wrap=True)
    table.add_column("all candidates", no_wrap=True)
    shown = list(moment.alphas.items())[: lines if len(moment.alphas) <= lines else lines - 1]
    for group, weights in shown:
        leading = max(weights, key=weights.__getitem__)
        table.add_row(
            group,
            Text(leading, style="bold"),
            bar(weights[leading]),
            percent(weights[leading]),
            "".join(_LEVELS[min(7, int(8 * weight))] for weight in weights.values()),
        )
    if len(shown) < len(moment.alphas):
        table.add_row(f"… and {len(moment.alphas) - len(shown)} more")
    return table


def _each_candidate(facts: Facts, moment: SearchMoment) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("group", "leads", "candidate", "weight", ""):
        table.add_column(column, no_wrap=True, justify="right" if not column else "left")
    for group, weights in moment.alphas.items():
        leading = max(weights, key=weights.__getitem__)
        for number, (operation, weight) in enumerate(weights.items()):
            is_leading = operation == leading
            name = f"{operation}, deployed" if operation == facts.deployed[group] else operation
            table.add_row(
                group if number == 0 else "",
                Text(leading, style="bold") if number == 0 else "",
                Text(name, style="bold" if is_leading else ""),
                Text(bar(weight), style="cyan" if is_leading else "dim"),
                percent(weight),
            )
    return table


def _arms(moment: SearchMoment, lines: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("arm", overflow="ellipsis", no_wrap=True)
    table.add_column("steps", justify="right")
    table.add_column("held-out loss", no_wrap=True)
    table.add_column("", justify="right")
    arms = sorted(moment.arms, key=lambda arm: arm.loss)
    largest = max(arm.loss for arm in arms) or 1.0
    for place, arm in enumerate(arms[:lines]):
        table.add_row(
            Text(arm.name, style="bold" if place == 0 else ""),
            count(arm.steps),
            Text(bar(arm.loss / largest), style="cyan" if place == 0 else "dim"),
            f"{arm.loss:.4f}",
        )
    if len(arms) > lines:
        table.add_row(f"… and {len(arms) - lines} more")
    return table


def _lead(moment: SearchMoment) -> str:
    if (moment.phase != "search" and not moment.arms) or moment.phase == "train":
        return ""
    if moment.arms:
        best = min(moment.arms, key=lambda arm: arm.loss)
        return f"; best of {len(moment.arms)}: {best.name}, held-out loss {best.loss:.3f}"
    leads = []
    for group, weights in list(moment.alphas.items())[:4]:
        leading = max(weights, key=weights.__getitem__)
        leads.append(f"{group} {leading} {weights[leading]:.0%}")
    more = f" and {len(moment.alphas) - 4} more" if len(moment.alphas) > 4 else ""
    return f"; leads: {', '.join(leads)}{more}" if leads else ""
