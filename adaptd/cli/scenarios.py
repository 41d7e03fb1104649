"""`adaptd scenarios`: the generated streams there are."""

import json
from typing import Annotated, Any

import typer

from adaptd.cli.console import open_console, open_table
from adaptd.stream.scenario import SCENARIOS

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Generated streams whose drift is known, for trials: `kind: scenario` in a configuration.",
)

SCHEMA_VERSION = 1


@app.callback()
def _scenarios() -> None:
    """A group, though it has one command yet."""


@app.command("list")
def list_(
    drift_at: Annotated[
        int, typer.Option("--drift-at", min=1, help="As in the configuration: where it begins.")
    ] = 4_000,
    records: Annotated[
        int, typer.Option("--records", min=1, help="Of which to tell where they drift.")
    ] = 20_000,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Every scenario, what happens in it, and at which records it drifts."""
    found: list[dict[str, Any]] = [
        {
            "name": scenario.name,
            "summary": scenario.summary,
            "shape": list(scenario.shape),
            "classes": list(scenario.classes),
            "drifts": scenario.timeline.drifts(drift_at=drift_at, records=records),
        }
        for scenario in SCENARIOS.values()
    ]
    if is_json:
        typer.echo(json.dumps({"schema_version": SCHEMA_VERSION, "scenarios": found}, indent=2))
        return
    console = open_console()
    table = open_table(console, "scenario", "record", "classes", "drifts at", "what happens")
    for row in found:
        table.add_row(
            row["name"],
            "x".join(map(str, row["shape"])),
            str(len(row["classes"])),
            ", ".join(f"{number:,}" for number in row["drifts"]),
            row["summary"],
        )
    console.print(table)
