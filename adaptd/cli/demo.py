"""`adaptd demo`: the whole loop on a generated stream whose drift is known."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Annotated

import typer
from rich.console import Console

from adaptd.cli.console import open_console
from adaptd.cli.demo_display import open_display
from adaptd.cli.demo_facts import Facts, Failure, Success, ending, read
from adaptd.cli.demo_picture import curve, draw, untouched
from adaptd.cli.demo_report import Report, build, show
from adaptd.cli.demo_setup import Demo, claim, configuration, free_ports
from adaptd.cli.demo_watch import watch
from adaptd.cli.stopping import stop_on_signal
from adaptd.clock import SystemClock
from adaptd.config import Config
from adaptd.daemon import Daemon
from adaptd.observer.predictor import Predictor
from adaptd.registry import scores
from adaptd.registry.scores import BlockScore
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.store.files import write_atomically
from adaptd.stream.scenario import SCENARIOS
from adaptd.telemetry.logging import configure

# Several times what the job takes on two cores, so that nobody waits for one that hangs.
LIMIT_SECONDS = 15 * 60.0
# Far more blocks than a demo sees within its limit.
ALL_BLOCKS = 1_000_000


class ScenarioName(StrEnum):
    """The streams to choose from: those of SCENARIOS in which another architecture is worth it."""

    LAG_SHIFT = "lag-shift"
    SAMPLING_RATE = "sampling-rate"


app = typer.Typer(add_completion=False)


@app.command()
def demo(
    *,
    scenario: Annotated[
        ScenarioName, typer.Option("--scenario", help="The stream, and how it drifts.")
    ] = ScenarioName.LAG_SHIFT,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the stream and all training.")] = 0,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="DIR",
            file_okay=False,
            help="Keep the state here, and go on where an earlier run with it stopped. "
            "Without it, a temporary directory.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", dir_okay=False, help="Write the result as JSON."),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture", metavar="FILE", dir_okay=False, help="Write accuracy over the stream, PNG."
        ),
    ] = None,
    is_waiting: Annotated[
        bool, typer.Option("--wait", help="Leave the decision to you; otherwise a policy approves.")
    ] = False,
    speed: Annotated[
        float, typer.Option("--speed", metavar="RATE", min=1, help="Records per second.")
    ] = 300.0,
) -> None:
    """Run the daemon on a generated sensor stream: train release 1, let the sensor change, and
    see the alarm, the search, the proof on live records, the approval and the new release.

    Needs no broker and no database server. Exits 0 once the new release has been seen at work,
    1 if nothing was released.
    """
    for target in (json_file, picture):
        if target is not None and not os.access(target.parent, os.W_OK):
            raise typer.BadParameter(
                f"{target.parent}: no directory that {target.name} can go into"
            )
    chosen = Demo(scenario.value, seed)
    console = open_console()
    with _directory(state) as path:
        claim(path, chosen)
        server_port, metrics_port = free_ports(2)
        config = configuration(
            chosen,
            state=path,
            speed=speed,
            is_waiting=is_waiting,
            server_port=server_port,
            metrics_port=metrics_port,
        )
        configure(level=config.log.level, format=config.log.format)
        directory = StateDirectory.open(path)
        database = Database.open(directory.database)
        try:
            if ending(_facts(database, chosen), chosen) is None:
                _introduce(console, config, chosen, is_waiting=is_waiting)
                is_interrupted = _run(config, chosen, directory, database, console)
            else:
                is_interrupted = False
                console.print(f"This demo has ended before; its result is kept in {path}.")
            _finish(
                console,
                chosen,
                directory,
                database,
                is_interrupted=is_interrupted,
                json_file=json_file,
                picture=picture,
            )
        finally:
            database.close()


@contextmanager
def _directory(state: Path | None) -> Iterator[Path]:
    if state is not None:
        yield state
        return
    with TemporaryDirectory(prefix="adaptd-demo-") as name:
        yield Path(name)


def _introduce(console: Console, config: Config, demo: Demo, *, is_waiting: bool) -> None:
    console.print(
        f"Scenario {demo.scenario}, seed {demo.seed}. "
        f"Page: http://127.0.0.1:{config.server.port}/  "
        f"Metrics: http://127.0.0.1:{config.metrics.port}/metrics",
        soft_wrap=True,
    )
    if is_waiting:
        console.print(
            "The decision is yours: on the page, or\n"
            f"  adaptd proposals list --state {config.state_directory}\n"
            f"  adaptd proposals approve ID --state {config.state_directory} --comment TEXT",
            soft_wrap=True,
        )
    else:
        console.print(
            "In this demo the policy `automatic` approves the proposal; "
            "--wait leaves it to you, as `adaptd run` does unless told otherwise."
        )


def _run(
    config: Config, demo: Demo, directory: StateDirectory, database: Database, console: Console
) -> bool:
    """Runs the daemon in this thread, and who watches it in another. True if a signal ended it."""
    stop = Event()
    clock = SystemClock()
    with (
        stop_on_signal(stop) as received,
        open_display(console) as display,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="adaptd-demo") as pool,
    ):
        watching = pool.submit(
            watch,
            database,
            demo,
            display,
            stop=stop,
            clock=clock,
            limit_seconds=LIMIT_SECONDS,
        )
        try:
            Daemon(config, state=directory).run(stop)
        finally:
            stop.set()
        watching.result()
        return received.is_set()


def _finish(
    console: Console,
    demo: Demo,
    directory: StateDirectory,
    database: Database,
    *,
    is_interrupted: bool,
    json_file: Path | None,
    picture: Path | None,
) -> None:
    facts = _facts(database, demo)
    match ending(facts, demo):
        case Success() as success:
            with database.read() as connection:
                series = scores.series(connection, demo.stream, limit=ALL_BLOCKS)
            report = build(facts, success, demo, state=directory, series=series)
            show(console, report, success)
            if json_file is not None:
                write_atomically(json_file, json.dumps(report, indent=2).encode() + b"\n")
                console.print(f"Result: {json_file}")
            if picture is not None:
                _picture(picture, facts, demo, report=report, directory=directory, series=series)
                console.print(f"Picture: {picture}")
            return
        case Failure(reason):
            text = f"nothing was released: {reason}"
        case None if is_interrupted:
            text = "stopped before the end; with the same --state it goes on from here"
        case None:
            text = f"nothing was released within {LIMIT_SECONDS / 60:.0f} minutes"
    typer.echo(f"adaptd: {text}", err=True)
    raise typer.Exit(1)


def _picture(
    path: Path,
    facts: Facts,
    demo: Demo,
    *,
    report: Report,
    directory: StateDirectory,
    series: list[BlockScore],
) -> None:
    predictor = Predictor.load(directory.path / facts.releases[0].path)
    draw(
        path,
        report=report,
        live=curve(series),
        baseline=curve(untouched(series, demo, predictor)),
        classes=len(SCENARIOS[demo.scenario].classes),
    )


def _facts(database: Database, demo: Demo) -> Facts:
    with database.read() as connection:
        return read(connection, demo.stream)
