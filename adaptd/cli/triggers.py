"""`adaptd triggers`: what waits for an episode, why and until when."""

from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from adaptd.cli.console import open_console, open_table
from adaptd.cli.location import ConfigOption, StateOption, attached, place_in
from adaptd.clock import SystemClock
from adaptd.errors import NotFoundError
from adaptd.server import trigger_state
from adaptd.server.stream_state import streams
from adaptd.server.trigger_state import TriggerState
from adaptd.server.trigger_wording import until, what, why
from adaptd.server.wording import duration, instant

SCHEMA_VERSION = 1

app = typer.Typer(add_completion=False)


@app.command()
def triggers(
    config: ConfigOption = None,
    state: StateOption = None,
    stream: Annotated[str | None, typer.Option("--stream", help="Only of this stream.")] = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what waits for an episode, why and until when; each stream's schedule, and what its
    workers have used of the processor today."""
    now = SystemClock().now()
    with attached(place_in(config, state)) as database, database.read() as connection:
        names = streams(connection)
        if stream is not None and stream not in names:
            raise NotFoundError(f"there is no stream {stream!r} here")
        states = {
            name: trigger_state.read(connection, name, now=now)
            for name in names
            if stream in (None, name)
        }
    if is_json:
        documents = [
            {"stream": name, **trigger_state.document(found)} for name, found in states.items()
        ]
        shown = {"schema_version": SCHEMA_VERSION, "streams": documents}
        typer.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode())
        return
    console = open_console()
    _print_queue(console, states)
    _print_streams(console, states)


def _print_queue(console: Console, states: dict[str, TriggerState]) -> None:
    if not any(found.queue for found in states.values()):
        typer.echo("No trigger waits.")
        return
    table = open_table(console, "stream", "waits", "since", "because", "until")
    for name, found in states.items():
        for waiting in found.queue:
            table.add_row(
                name, escape(what(waiting)), instant(waiting.since), why(waiting), until(waiting)
            )
    console.print(table)


def _print_streams(console: Console, states: dict[str, TriggerState]) -> None:
    if not states:
        return
    console.print()
    table = open_table(console, "stream", "schedule", "last run", "next due", "compute today")
    for name, found in states.items():
        schedule = found.schedule
        table.add_row(
            name,
            "none" if schedule is None else schedule.timing or "periodic",
            instant(None if schedule is None else schedule.last_run),
            instant(None if schedule is None else schedule.next_due),
            duration(found.compute_seconds),
        )
    console.print(table)
