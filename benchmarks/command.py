"""The command line: one benchmark, to the terminal, a JSON file and a picture."""

import json
import os
import resource
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from adaptd.cli.console import open_console
from adaptd.errors import AdaptdError, ConfigError
from adaptd.store.files import write_atomically
from benchmarks.benchmark import Scale, Settings
from benchmarks.display import show
from benchmarks.provenance import commit, machine
from benchmarks.recorded import CHECKOUT, VARIABLE, MissingDataError, directory
from benchmarks.table import BENCHMARKS

# Repetitions of a scale, where --seeds names no other number: five show a spread, one only that it
# runs.
SEEDS: dict[Scale, int] = {"full": 5, "quick": 3, "smoke": 1}

# One paragraph each, or the help would run the lines together.
EPILOG = "\n\n".join(
    ["Benchmarks:", *(f"{benchmark.name}: {benchmark.line}" for benchmark in BENCHMARKS.values())]
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(epilog=EPILOG)
def benchmark(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which one.")],
    *,
    is_quick: Annotated[bool, typer.Option("--quick", help="Less of it, minutes at most.")] = False,
    is_smoke: Annotated[
        bool, typer.Option("--smoke", help="Only whether it runs: the figures mean nothing.")
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            metavar="N",
            min=1,
            help=f"Repetitions. Without it {SEEDS['full']}, {SEEDS['quick']} if quick, "
            f"{SEEDS['smoke']} if smoke.",
        ),
    ] = None,
    first_seed: Annotated[
        int,
        typer.Option(
            "--first-seed",
            metavar="SEED",
            min=0,
            help="Of the first repetition. A recipe that was tuned on some is measured on others.",
        ),
    ] = 0,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            file_okay=False,
            help="Where finished repetitions are kept, so that a long run can be gone on with. "
            "They are not told apart by commit: another recipe needs another directory.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help=f"Recorded data. Without it the variable {VARIABLE}, else the folder `shared` "
            "beside the checkout.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", dir_okay=False, help="Write the result as JSON."),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE", dir_okay=False, help="Write the picture, PNG."),
    ] = None,
) -> None:
    """Run one benchmark and show what it measured."""
    if name not in BENCHMARKS:
        raise typer.BadParameter(f"no benchmark {name!r}; there are: {', '.join(BENCHMARKS)}")
    if is_quick and is_smoke:
        raise typer.BadParameter("give --quick or --smoke, not both")
    for target in (json_file, picture):
        if target is not None and not os.access(target.parent, os.W_OK):
            raise typer.BadParameter(
                f"{target.parent}: no directory that {target.name} can go into"
            )
    scale: Scale = "smoke" if is_smoke else "quick" if is_quick else "full"
    settings = Settings(
        scale=scale,
        seeds=tuple(first_seed + place for place in range(seeds or SEEDS[scale])),
        data=directory(data, os.environ),
        keep=keep,
    )
    # All that goes into the file but the document, begun before the work so that it dates it.
    origin: dict[str, Any] = {
        "commit": commit(CHECKOUT),
        "machine": machine(),
        "seeds": list(settings.seeds),
        "scale": settings.scale,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    spent_before = _cpu_seconds()
    outcome = BENCHMARKS[name].load()(settings)
    origin["run_cpu_seconds"] = round(_cpu_seconds() - spent_before, 2)

    show(open_console(), outcome.document, title=f"{name}, {settings.scale}")
    show(open_console(), origin, title="Measured on")
    if json_file is not None:
        text = json.dumps({**outcome.document, **origin}, indent=2, allow_nan=False)
        write_atomically(json_file, f"{text}\n".encode())
    if picture is not None:
        outcome.draw(picture)


def _cpu_seconds() -> float:
    """User and system time of this process and of the children it has waited for."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    """Runs the command line and exits: 0 measured, 1 failed, 2 wrong usage or data missing."""
    try:
        app(prog_name="python -m benchmarks")
    except AdaptdError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(
            f"benchmarks: {error}", markup=False
        )
        sys.exit(2 if isinstance(error, MissingDataError | ConfigError) else 1)
