"""`adaptd stream`: recorded streams and topics."""

from pathlib import Path
from threading import Event
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from adaptd.cli.stopping import stop_on_signal
from adaptd.clock import SystemClock
from adaptd.config import KafkaSourceConfig, StreamConfig, load
from adaptd.errors import ConfigError
from adaptd.stream.opening import cluster_of, schema_of
from adaptd.stream.replay import ReplaySource
from adaptd.stream.sending import send as send_records

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Recorded streams, and topics to try them on."
)

# Of the producer: for each of connecting, finding the topic, and delivery.
_TIMEOUT_SECONDS = 10.0


@app.callback()
def _stream() -> None:
    """A group, though it has one command yet."""


@app.command()
def send(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Recording: .parquet, .csv or .jsonl, the two also .gz or .zst.",
        ),
    ],
    config: Annotated[
        Path,
        typer.Option("--config", "-c", metavar="FILE", help="Where the Kafka stream is described."),
    ],
    name: Annotated[
        str | None,
        typer.Option("--stream", metavar="NAME", help="Which of its streams, if it has several."),
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--topic", help="Another topic than the stream's own.")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed",
            min=0.001,
            metavar="TIMES",
            help="So many times as fast as it was recorded, by its records' times. Without it as "
            "fast as the broker takes them.",
        ),
    ] = None,
    is_followed: Annotated[
        bool, typer.Option("--follow", help="The file grows: send what comes until Ctrl-C.")
    ] = False,
) -> None:
    """Send a recording to the topic of a configured stream, for a trial.

    Records that do not fit the stream's schema are counted and left out.
    """
    stream = _kafka_stream(config, name)
    assert isinstance(stream.source, KafkaSourceConfig)
    goal = topic or stream.source.topic
    source = ReplaySource(file, schema_of(stream), is_followed=is_followed)
    total = sum(source.lag().values()) or None
    stop = Event()
    producer = None
    try:
        producer = cluster_of(stream.source).producer(timeout_seconds=_TIMEOUT_SECONDS)
        with stop_on_signal(stop), _progress() as progress:
            task = progress.add_task(f"{file.name} to {goal}", total=total)
            sent, rejected = send_records(
                source,
                producer,
                goal,
                clock=SystemClock(),
                sleep=lambda seconds: _wait(stop, seconds),
                speed=speed,
                should_stop=stop.is_set,
                progress=lambda sent, rejected: progress.update(task, completed=sent + rejected),
            )
    finally:
        source.close()
        if producer is not None:
            producer.close(timeout=_TIMEOUT_SECONDS)
    left_out = f", {rejected:,} left out that do not fit" if rejected else ""
    typer.echo(f"{goal}: {sent:,} records sent{left_out}")


def _kafka_stream(path: Path, name: str | None) -> StreamConfig:
    streams = [one for one in load(path).streams if one.source.kind == "kafka"]
    found = [one for one in streams if name in (None, one.name)]
    if len(found) != 1:
        listed = ", ".join(one.name for one in streams) or "none"
        raise ConfigError(
            f"--stream {name or 'is needed'}: the Kafka streams of {path} are: {listed}"
        )
    return found[0]


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} records"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _wait(stop: Event, seconds: float) -> None:
    stop.wait(seconds)
