"""`adaptd watches`: fresh releases beside those that they replaced, and the end of a watch."""

from typing import Annotated

import orjson
import typer

from adaptd.cli.account import account
from adaptd.cli.console import open_console, open_table
from adaptd.cli.location import ConfigOption, StateOption, attached, place_in
from adaptd.clock import SystemClock
from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import releases, watches
from adaptd.server.watch_view import document, views
from adaptd.server.wording import ABSENT, count, instant, percent

SCHEMA_VERSION = 1

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List the watches over fresh releases, or end one: the release then stays. Works while "
    "the daemon runs.",
)


@app.command("list")
def list_(
    config: ConfigOption = None,
    state: StateOption = None,
    stream: Annotated[str | None, typer.Option("--stream", help="Only of this stream.")] = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Every release that is watched or was, the newest first, and what has become of it."""
    with attached(place_in(config, state)) as database, database.read() as connection:
        found = watches.listing(connection, stream)
        known = [
            release
            for name in {watch.stream for watch in found}
            for release in releases.history(connection, name)
        ]
    if is_json:
        documents = [{"stream": watch.stream, **document(watch)} for watch in found]
        text = {"schema_version": SCHEMA_VERSION, "watches": documents}
        typer.echo(orjson.dumps(text, option=orjson.OPT_INDENT_2).decode())
        return
    if not found:
        typer.echo("No release has been watched.")
        return
    console = open_console()
    table = open_table(
        console, "stream", "release", "beside", "state", "records", "accuracy", "begun", "why"
    )
    shown = views(found, known)
    for watch in found:
        view, accuracy = shown[watch.release_digest], watch.evidence["accuracy"]
        table.add_row(
            watch.stream,
            view.number,
            view.predecessor,
            view.title if view.back is None else f"{view.title}, as release {view.back}",
            f"{count(view.records)} of {count(view.maximum)}",
            f"{percent(accuracy['released'])} against {percent(accuracy['predecessor'])}",
            instant(watch.begun_at),
            watch.reason or ABSENT,
        )
    console.print(table)


@app.command()
def end(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="Whose latest release stays.")],
    comment: Annotated[str, typer.Option("--comment", help="Why. It is kept with the watch.")],
    config: ConfigOption = None,
    state: StateOption = None,
) -> None:
    """End the watch of a stream: its release stays, however it does."""
    if not comment.strip():
        raise typer.BadParameter("--comment: say why, in a few words")
    with attached(place_in(config, state)) as database, database.write() as connection:
        running = watches.running(connection, stream)
        if running is None:
            raise NotFoundError(
                f"no release of stream {stream!r} is watched now; `adaptd watches list` shows "
                "those that were"
            )
        reason = f"{account()}: {comment.strip()}"
        if not watches.end(
            connection,
            running.release_digest,
            outcome="ended",
            reason=reason,
            now=SystemClock().now(),
        ):
            raise ConflictError(f"the watch of stream {stream!r} has just ended by itself")
        release = releases.get(connection, running.release_digest)
    typer.echo(f"The watch of release {release.number} has ended; it stays.")
