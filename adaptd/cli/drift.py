"""`adaptd drift`: a recorded stream through the monitor of drift."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from adaptd.cli.console import open_console
from adaptd.cli.drift_course import MODEL_BLOCKS, Course, run_course
from adaptd.cli.drift_output import print_course
from adaptd.cli.drift_picture import draw_course
from adaptd.cli.drift_source import batches, open_release, open_stream
from adaptd.cli.network_options import sizes
from adaptd.drift.budget import AlarmBudget
from adaptd.drift.detection import always, detection, is_worth, never
from adaptd.drift.river_detectors import RIVER_DETECTORS
from adaptd.drift.signal_monitor import MonitorSettings
from adaptd.errors import ConfigError

SCHEMA_VERSION = 1

# Of the reference, what signals learn from; the rest is what they are compared with.
_TRAINING_SHARE = 0.25

app = typer.Typer(add_completion=False)


@app.command()
def drift(
    *,
    stream: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Recording .parquet, .csv or .jsonl, or the name of a scenario.",
        ),
    ],
    release: Annotated[
        Path | None,
        typer.Option(
            "--release",
            metavar="DIR",
            help="Watch this release's predictions. Without it a simple model is fitted on the "
            "first records.",
        ),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            "--truth",
            metavar="RECORD,…",
            help="Where it really drifts, to measure delays by. Scenarios know it themselves.",
        ),
    ] = None,
    reference: Annotated[
        int,
        typer.Option("--reference", min=256, help="Records from which it learns what is ordinary."),
    ] = 4_096,
    block: Annotated[int, typer.Option("--block", min=8, help="Records a block.")] = 32,
    alarms_per_day: Annotated[
        float | None,
        typer.Option("--alarms-per-day", min=1e-6, help="False ones allowed, by event time."),
    ] = None,
    alarms_per_million: Annotated[
        float | None,
        typer.Option(
            "--alarms-per-million",
            min=1e-3,
            help="False ones allowed per million records; 10 unless --alarms-per-day is given.",
        ),
    ] = None,
    persistence: Annotated[
        int, typer.Option("--persistence", min=1, help="Blocks in a row beyond the threshold.")
    ] = 1,
    detector: Annotated[
        str,
        typer.Option(
            "--detector",
            metavar="NAME",
            help=f"Beside it, on the errors: {', '.join(RIVER_DETECTORS)}.",
        ),
    ] = "adwin",
    shape: Annotated[
        str | None,
        typer.Option("--shape", metavar="C,…", help="Of a record, where a file does not tell it."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="N|NAME,…",
            help="How many, or their names, where a file does not tell it.",
        ),
    ] = None,
    records: Annotated[
        int | None,
        typer.Option("--records", min=1, help="Only the first so many; of a scenario 16,000."),
    ] = None,
    drift_at: Annotated[
        int, typer.Option("--drift-at", min=1, help="Of a scenario: where it begins.")
    ] = 8_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of a scenario, and of ties.")] = 0,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="FILE", dir_okay=False, help="Write a picture, PNG."),
    ] = None,
) -> None:
    """Replay a recording through the monitor of drift: what would have alarmed, when, and what kind
    of drift it looks like.

    With known drifts (--truth, a scenario's own, or a file's metadata) it also shows delays, missed
    and false alarms, beside a detector that always fires and one that never does.
    """
    if detector not in RIVER_DETECTORS:
        raise ConfigError(f"--detector {detector!r}: expected one of {', '.join(RIVER_DETECTORS)}")
    settings = _settings(
        reference,
        block,
        persistence=persistence,
        per_day=alarms_per_day,
        per_million=alarms_per_million,
        seed=seed,
    )
    known = None if truth is None else _positions(truth)
    found = None if release is None else open_release(release)
    source, told = open_stream(
        stream,
        seed=seed,
        drift_at=drift_at,
        records=records or 16_000,
        shape=None if shape is None else sizes(shape),
        classes=None if classes is None else _classes(classes),
        release=found,
    )
    schema = source.schema
    try:
        course = run_course(
            batches(source, most=records),
            schema,
            settings,
            predict=None if found is None else found.predictor.predict,
            detector=detector,
        )
    except ValueError as error:
        # A budget a day without event times, or signals that none of the records suit.
        raise ConfigError(f"{stream}: {error}") from error
    if course.first_watched is None:
        needed = reference + (0 if found else MODEL_BLOCKS * block) + block
        raise ConfigError(
            f"{stream}: has {course.records} records, and learns what is ordinary from the first "
            f"{needed - block}: expected at least {needed}, else lower --reference"
        )
    document = _document(stream, course, settings, detector, known if known is not None else told)
    if picture is not None:
        draw_course(picture, course, document)
    if is_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        print_course(open_console(), document, features=schema.features)


def _settings(
    reference: int,
    block: int,
    *,
    persistence: int,
    per_day: float | None,
    per_million: float | None,
    seed: int,
) -> MonitorSettings:
    if per_day is not None and per_million is not None:
        raise ConfigError("--alarms-per-day and --alarms-per-million: give one of them")
    budget = (
        AlarmBudget(per_day, "day") if per_day is not None else AlarmBudget(per_million or 10.0)
    )
    blocks = reference // block
    training = max(2, int(_TRAINING_SHARE * blocks))
    if blocks - training < 2:
        raise ConfigError(
            f"--reference {reference}: expected at least {4 * block} records, in blocks of {block}"
        )
    return MonitorSettings(
        block_records=block,
        training_blocks=training,
        reference_blocks=blocks - training,
        persistence_blocks=persistence,
        seed=seed,
        budget=budget,
    )


def _classes(text: str) -> int | tuple[str, ...]:
    """How many, or their names."""
    if text.isdecimal() and int(text) >= 2:
        return int(text)
    names = tuple(part.strip() for part in text.split(","))
    if len(names) < 2 or not all(names) or len(set(names)) < len(names):
        raise ConfigError(
            f"--classes {text!r}: expected a number of at least 2, or names, such as calm,rough"
        )
    return names


def _positions(text: str) -> tuple[int, ...]:
    parts = [part.strip().replace("_", "") for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"--truth {text!r}: expected record numbers, such as 10000,20000")
    return tuple(sorted(map(int, parts)))


def _document(
    stream: str,
    course: Course,
    settings: MonitorSettings,
    detector: str,
    drifts: tuple[int, ...],
) -> dict[str, Any]:
    assert course.first_watched is not None
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "stream": stream,
        "records": course.records,
        "first_watched": course.first_watched,
        "block_records": settings.block_records,
        "events": [event.to_document() for event in course.events],
        "detector": {
            "name": detector,
            "alarms": [
                {"signal": alarm.signal, "record": alarm.record, "since_record": alarm.since_record}
                for alarm in course.river
            ],
        },
        "monitor": course.report,
        "truth": None,
    }
    if drifts:
        first, end = course.first_watched, course.records
        of = {
            "monitor": [event.record for event in course.events],
            detector: [alarm.record for alarm in course.river if alarm.signal == "error"],
            "always-fire": always(first=first, end=end, block_records=settings.block_records),
            "never-fire": never(),
        }
        measured = {
            name: detection(alarms, drifts, first=first, end=end) for name, alarms in of.items()
        }
        document["truth"] = {
            "drifts": list(drifts),
            "drifts_before_watching": [drift for drift in drifts if drift < first],
            "measured": {name: one.to_document() for name, one in measured.items()},
            "is_better_than_baselines": is_worth(
                measured["monitor"], [measured["always-fire"], measured["never-fire"]]
            ),
        }
    return document
