"""`adaptd replay`: a past episode again, from its records, step counts and seeds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from adaptd.adaptation.execution.local import LocalExecutor
from adaptd.adaptation.job import Progress
from adaptd.cli.console import open_console
from adaptd.cli.location import ConfigOption, StateOption, attached, place_in, state_directory
from adaptd.cli.replay_output import document, print_comparison
from adaptd.clock import SystemClock
from adaptd.config import WorkersConfig
from adaptd.daemon.replay.comparison import Comparison, compare
from adaptd.daemon.replay.recorded import Recorded, check, find, one_beginning_with
from adaptd.daemon.replay.rerun import Report, rerun
from adaptd.errors import AdaptdError
from adaptd.store.database import Place
from adaptd.store.directory import StateDirectory

app = typer.Typer(add_completion=False)

# Exit codes beside 0, for the same architecture and verdict.
DIFFERENT = 1
NOT_REPLAYABLE = 2


@app.command()
def replay(
    episode: Annotated[
        str, typer.Argument(metavar="EPISODE", help="The episode's id, or the beginning of it.")
    ],
    config: ConfigOption = None,
    state: StateOption = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run a past episode again: train its remedies from the records, step counts and seeds that it
    had, hold its trials again over the records that they counted, and compare.

    Changes nothing in the state directory, whose daemon may run meanwhile; takes as long as the
    training took. Exits 0 for the same architecture and verdict; 1 for another one, and names the
    difference of versions or machines that is to blame; 2 where the episode cannot be run again.
    """
    directory = state_directory(config, state)
    try:
        recorded, comparison = _replay(directory, place_in(config, state), episode, is_json=is_json)
    except AdaptdError as error:
        # 1 says that something came out differently.
        typer.echo(f"adaptd: {error}", err=True)
        raise typer.Exit(NOT_REPLAYABLE) from error
    if is_json:
        typer.echo(json.dumps(document(recorded, comparison), indent=2))
    else:
        print_comparison(open_console(), recorded, comparison)
    if not comparison.is_same:
        raise typer.Exit(DIFFERENT)


def _replay(
    directory: StateDirectory, place: Place, prefix: str, *, is_json: bool
) -> tuple[Recorded, Comparison]:
    with attached(place) as database, database.read() as connection:
        recorded = find(connection, one_beginning_with(connection, prefix))
    check(recorded, directory)
    with TemporaryDirectory(prefix="adaptd-replay-") as name, _shown(is_quiet=is_json) as report:
        reruns = rerun(
            recorded,
            state=directory,
            executor=LocalExecutor(
                WorkersConfig(count=1, threads=recorded.threads), clock=SystemClock()
            ),
            output=Path(name),
            report=report,
        )
    return recorded, compare(reruns)


@contextmanager
def _shown(*, is_quiet: bool) -> Iterator[Report]:
    """Where the training is, on standard error, for a person who watches."""
    console = Console(stderr=True, highlight=False)
    if is_quiet or not console.is_terminal:
        yield lambda _kind, _at: None
        return
    with console.status("Reading records …") as status:

        def show(kind: str, at: Progress) -> None:
            status.update(f"{kind}: {at.phase}, step {at.step:,} of {at.steps:,}")

        yield show
