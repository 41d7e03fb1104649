"""A finished search's report as tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from adaptd.cli.console import open_table
from adaptd.cli.search_display import size
from adaptd.server.wording import ABSENT, TIMES, count, percent, points

# Edits that are listed; the drawing has all.
_EDITS = 12
# Names that fit a line.
_EDGES = 4


def print_report(console: Console, report: Mapping[str, Any], directory: Path) -> None:
    """What was found, against what was given, and where it lies."""
    given, found = report["given"], report["found"]
    records = report["records"]
    title = f"{report['method']} on {records['stream']}, {count(report['steps'])} steps"
    table = open_table(console, "", "given", "found", "", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    gain = ABSENT if given["accuracy"] is None else points(found["accuracy"] - given["accuracy"])
    table.add_row(
        f"accuracy on the latest {count(records['held_out'])} records",
        percent(given["accuracy"]),
        percent(found["accuracy"]),
        gain,
        style="bold",
    )
    table.add_row(
        "multiply-accumulates",
        count(given["macs"]),
        count(found["macs"]),
        f"{found['macs'] / given['macs']:.2f} {TIMES}",
    )
    caps = report.get("caps", {})
    if "parameters" in caps:
        table.add_row("parameters", count(given["parameters"]), count(found["parameters"]), "")
    if "latency_seconds" in caps:
        seconds = [f"{1_000 * side['latency_seconds']:.3f} ms" for side in (given, found)]
        table.add_row("one prediction, in torch", *seconds, "")
    console.print()
    console.print(table)
    facts = open_table(console, "", "")
    edits = found["edits"] or ["none: the given architecture is the best that was found"]
    for number, edit in enumerate(edits[:_EDITS]):
        facts.add_row("edits" if number == 0 else "", edit)
    if len(edits) > _EDITS:
        facts.add_row("", f"… and {len(edits) - _EDITS} more")
    # Reports of version 0.1 have none.
    if report.get("sensitivity"):
        facts.add_row(
            "opened",
            f"{len(report['opened'])} of {len(report['sensitivity'])} edges, the most sensitive: "
            f"{', '.join(report['opened'][:_EDGES])}"
            f"{' …' if len(report['opened']) > _EDGES else ''}",
        )
    if records.get("rejected"):
        facts.add_row("set aside", f"{count(records['rejected'])} records that do not fit")
    memory = report["memory"]
    if memory["ratio"] is not None:
        facts.add_row(
            "memory",
            f"a training step of the supernet keeps {size(memory['supernet_bytes'])}, "
            f"{memory['ratio']:.3f} {TIMES} the given network's ({memory['relaxation']})",
        )
    # Reports of version 0.1 do not tell it.
    if (found_bytes := memory.get("found_bytes")) is not None:
        facts.add_row(
            "" if memory["ratio"] is not None else "memory",
            f"one of the network that was found keeps {size(found_bytes)}, "
            f"{found_bytes / memory['deployed_bytes']:.3f} {TIMES} the given network's",
        )
    if report["alphas"]:
        facts.add_row("skips and zeros", f"{percent(report['skip_share'])} of the weight")
    if report["stopped"]:
        facts.add_row("ended early", report["stopped"])
    for name, told in report["guards"].items():
        facts.add_row(f"guard {name}", ", ".join(f"{key}: {value}" for key, value in told.items()))
    seconds = report["phase_seconds"]
    facts.add_row("time", ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()))
    facts.add_row("release", f"{directory / 'release'} ({report['release'][:12]})")
    facts.add_row("report", str(directory / "search.json"))
    facts.add_row("pictures", f"{directory / 'alphas.png'}, architecture.svg, architecture.dot")
    console.print()
    console.print(facts)


def print_methods(console: Console, methods: Mapping[str, str], guards: Mapping[str, str]) -> None:
    """Name and summary of each."""
    for heading, rows in (("method", methods), ("guard of a supernet", guards)):
        table = open_table(console, heading, "what it does")
        for name, summary in rows.items():
            table.add_row(name, summary)
        console.print(table)
        console.print()


def print_check(console: Console, checks: list[Mapping[str, Any]]) -> None:
    """What was expected and what was found, of each check."""
    table = open_table(console, "check", "expected", "found", "")
    for check in checks:
        table.add_row(
            check["name"], check["expected"], check["found"], "ok" if check["holds"] else "FAILED"
        )
    console.print(table)
