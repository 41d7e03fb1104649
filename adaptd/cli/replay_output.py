"""How a replay is printed: for a person as a table, for a program as a document."""

from typing import Any

from rich.console import Console

from adaptd.cli.console import open_table
from adaptd.daemon.replay.comparison import Comparison, Line
from adaptd.daemon.replay.recorded import Recorded
from adaptd.server.wording import ABSENT, count, percent

SCHEMA_VERSION = 1

# Of a digest, enough to tell two apart.
_DIGITS = 12


def document(recorded: Recorded, comparison: Comparison) -> dict[str, Any]:
    """The whole comparison as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "episode_id": recorded.episode.id,
        "stream": recorded.episode.stream,
        "outcome": recorded.episode.outcome,
        "is_same": comparison.is_same,
        "is_same_architecture": comparison.is_same_architecture,
        "is_same_verdict": comparison.is_same_verdict,
        "blame": comparison.blame,
        "changes": list(comparison.changes),
        "lines": [
            {
                "trial": line.trial,
                "kind": line.kind,
                "what": line.what,
                "of": line.of,
                "recorded": line.recorded,
                "replayed": line.replayed,
                "is_same": line.is_same,
            }
            for line in comparison.lines
        ],
    }


def print_comparison(console: Console, recorded: Recorded, comparison: Comparison) -> None:
    """A table for each trial, then the outcome in one line."""
    episode = recorded.episode
    for number in dict.fromkeys(line.trial for line in comparison.lines):
        lines = [line for line in comparison.lines if line.trial == number]
        title = f"{episode.stream}, episode {episode.id}, trial {number}: {lines[0].kind}"
        table = open_table(console, "", "recorded", "replayed", "same?", title=title)
        for line in lines:
            table.add_row(
                _name(line),
                _value(line, line.recorded),
                _value(line, line.replayed),
                "yes" if line.is_same else "NO",
                style=None if line.is_same else "bold",
            )
        console.print(table)
    console.print(comparison.sentence, soft_wrap=True)


def _name(line: Line) -> str:
    between = " against " if line.what == "e-value" else " of "
    return line.what if line.of is None else f"{line.what}{between}{line.of}"


def _value(line: Line, value: Any) -> str:
    if value is None:
        return ABSENT
    match line.what:
        case "architecture" | "weights":
            return str(value)[:_DIGITS]
        case "accuracy":
            return percent(value)
        case "records":
            return count(value)
        case "e-value":
            return f"{value:.6g}"
    return str(value)
