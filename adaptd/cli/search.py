"""`adaptd search`: one search around a network, on the records of one stream."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Annotated, Any, get_args

import typer
from rich.console import Console

from adaptd.adaptation.search.directory import SearchDirectory, State
from adaptd.adaptation.search.job import Claim, Precision, SearchJob, check_same
from adaptd.cli.console import open_console
from adaptd.cli.network_options import setting, sizes
from adaptd.cli.search_display import SearchDisplay, SilentDisplay, open_search_display
from adaptd.cli.search_output import print_check, print_methods, print_report
from adaptd.cli.search_picture import draw_search
from adaptd.cli.stopping import stop_on_signal
from adaptd.clock import SystemClock
from adaptd.errors import ConfigError

# As a shell reports a command that Ctrl-C ended.
PAUSED = 130

app = typer.Typer(add_completion=False)


@app.command()
def search(
    *,
    stream: Annotated[
        str | None,
        typer.Argument(
            metavar="STREAM",
            help="A scenario such as lag-shift, of which the records after the drift are taken; a "
            ".parquet, .csv or .jsonl file with x0 … and target; or, with -c, a stream's name.",
            show_default=False,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="WHAT",
            help="Release directory, architecture.json, or factory package.module:name.",
        ),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="--list-methods shows them.")
    ] = "bounded",
    budget: Annotated[
        str,
        typer.Option(
            "--budget",
            metavar="KEY=VALUE,…",
            help="steps=COUNT or wall=SECONDS; memory=RATIO of a training step over the deployed "
            "network's; cores=COUNT.",
        ),
    ] = "steps=800",
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            metavar="TEXT",
            help="What to reach within what: accuracy, +macs:1.1x (of the given network's) or "
            "+macs:250000, +parameters:1.2x, +latency:1.5x (as torch takes it), together or not.",
        ),
    ] = "accuracy+macs:1.1x",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", file_okay=False, help="Where the outcome goes."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="The factory's settings; repeat it."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="Trained weights: safetensors, or a state dict."
        ),
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates",
            metavar="OP,…",
            help='Operations to open edges to, such as "dw k3 d1,dw k9 d1", or the name of a '
            "space: image, sequence, tabular. Without it, what suits the network.",
        ),
    ] = None,
    edges: Annotated[
        int | None,
        typer.Option(
            "--edges",
            min=1,
            metavar="COUNT",
            help="Open only so many: those where something new would lower the loss the most.",
        ),
    ] = None,
    guards: Annotated[
        list[str] | None,
        typer.Option(
            "--guard",
            metavar="NAME",
            help="What watches over a supernet, in place of the usual; repeat it, or say none.",
        ),
    ] = None,
    records: Annotated[
        int | None,
        typer.Option("--records", min=16, help="The latest so many labelled records."),
    ] = None,
    minimum_records: Annotated[
        int | None,
        typer.Option(
            "--minimum-records",
            min=1,
            metavar="COUNT",
            help="Refuse to search on fewer. Without it 400, and 40 a class; for a search from "
            "nothing 10,000.",
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option("--shape", metavar="C,…", help="Of a record, where a file does not tell it."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device",
            metavar="NAME",
            help="Where to train: cpu, cuda, cuda:1. Without it CUDA where there is some.",
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            "--precision", metavar="NAME", help="Of activations while training: float32 or bf16."
        ),
    ] = "float32",
    seed: Annotated[
        int,
        typer.Option(
            "--seed", min=0, max=2**63 - 1, help="Of the search, and of a scenario's records."
        ),
    ] = 0,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="The configuration STREAM is in."),
    ] = None,
    is_resumed: Annotated[
        bool,
        typer.Option("--resume", help="Go on with what --out holds, to the very same outcome."),
    ] = False,
    is_forced: Annotated[
        bool, typer.Option("--force", help="Begin anew whatever search --out holds.")
    ] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    is_check: Annotated[
        bool,
        typer.Option("--verify", help="Run a small search whose answer is known, within a minute."),
    ] = False,
    is_listing: Annotated[
        bool, typer.Option("--list-methods", help="Print the methods and guards there are.")
    ] = False,
) -> None:
    """Search for a better architecture around a network, on labelled records of one stream.

    The latest quarter of the records is held out to measure the outcome on. --out gets a release
    (ONNX, weights, architecture, manifest), search.json, and pictures. Ctrl-C pauses: the same
    command with --resume goes on.
    """
    if is_listing:
        _list_methods(is_json=is_json)
        return
    if is_check:
        _check(seed=seed, is_json=is_json)
        return
    if is_resumed and is_forced:
        raise ConfigError("--resume goes on, --force begins anew: give one of them")
    if stream is None or start is None or out is None:
        missing = [
            name
            for name, value in (("STREAM", stream), ("--from", start), ("--out", out))
            if value is None
        ]
        raise ConfigError(
            f"{', '.join(missing)} missing: adaptd search STREAM --from WHAT --out DIR, as in "
            "adaptd search lag-shift --from releases/abc --out found"
        )
    job = SearchJob(
        stream=stream,
        config=config,
        shape=None if shape is None else sizes(shape),
        records=records,
        minimum_records=minimum_records,
        start=start,
        settings=dict(map(setting, settings or ())),
        weights=weights,
        method=method,
        budget=budget,
        goal=objective,
        candidates=None if candidates is None else _texts(candidates),
        edges=edges,
        guards=_guards(guards),
        device=device,
        precision=_precision(precision),
        seed=seed,
    )
    claim: Claim = "resume" if is_resumed else "force" if is_forced else "new"
    directory = SearchDirectory(out)
    stop = Event()
    with stop_on_signal(stop), directory.held():
        state = directory.claimed(claim)
        if state == "finished":
            report = _again(job, directory)
        else:
            report = _run(job, directory, state, stop, is_json=is_json)
    if is_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        print_report(open_console(), report, directory.path)


def _run(
    job: SearchJob, directory: SearchDirectory, state: State, stop: Event, *, is_json: bool
) -> dict[str, Any]:
    # By name, since this room must stay without torch.
    room = import_module("adaptd.adaptation.search.session")
    console = open_console()
    if not is_json and console.is_terminal:
        console.print("Reading records and measuring the network …", style="dim")
    session = room.SearchSession(job, directory, state, clock=SystemClock())
    with _display(console, is_json=is_json) as display:
        display.begin(session.facts)
        report: dict[str, Any] | None = session.run(display.show, stop.is_set)
    if report is None:
        typer.echo(
            f"adaptd: paused after step {session.step:,} of {session.facts.steps:,}; "
            f"the same command with --resume goes on from {directory.checkpoint}",
            err=True,
        )
        raise typer.Exit(PAUSED)
    draw_search(directory.alphas, report, directory.read_trace())
    return report


def _again(job: SearchJob, directory: SearchDirectory) -> dict[str, Any]:
    """The report of a search that has ended before; whatever a kill left undone is done."""
    report = directory.read_report()
    check_same(job, report["job"], directory.path)
    directory.tidy()
    if not directory.alphas.exists():
        draw_search(directory.alphas, report, directory.read_trace())
    return report


@contextmanager
def _display(console: Console, *, is_json: bool) -> Iterator[SearchDisplay]:
    if is_json:
        yield SilentDisplay()
        return
    with open_search_display(console, SystemClock()) as display:
        yield display


def _list_methods(*, is_json: bool) -> None:
    room = import_module("adaptd.adaptation.search.session")
    methods, guards = room.methods(), room.guards()
    if is_json:
        document = {"schema_version": 1, "methods": methods, "guards": guards}
        typer.echo(json.dumps(document, indent=2))
    else:
        print_methods(open_console(), methods, guards)


def _check(*, seed: int, is_json: bool) -> None:
    room = import_module("adaptd.adaptation.search.check")
    console = open_console()
    with TemporaryDirectory(prefix="adaptd-search-") as name:
        checks = room.check(Path(name), seed=seed, clock=SystemClock())
    if is_json:
        typer.echo(json.dumps({"schema_version": 1, "checks": checks}, indent=2))
    else:
        print_check(console, checks)
    failed = [check["name"] for check in checks if not check["holds"]]
    if failed:
        typer.echo(
            f"adaptd: this installation does not search as it should: {', '.join(failed)}", err=True
        )
        raise typer.Exit(1)


def _guards(given: list[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    if "none" in given and len(given) > 1:
        raise ConfigError("--guard none stands alone")
    return () if given == ["none"] else tuple(dict.fromkeys(given))


def _precision(name: str) -> Precision:
    known: tuple[Precision, ...] = get_args(Precision)
    for one in known:
        if one == name:
            return one
    raise ConfigError(f"--precision {name!r}: expected one of {', '.join(known)}")


def _texts(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise ConfigError(f"--candidates {text!r}: expected operations, separated by commas")
    return found
