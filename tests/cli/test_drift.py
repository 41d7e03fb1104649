"""`adaptd drift`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from adaptd.cli.main import app
from adaptd.errors import AdaptdError, ConfigError, SourceError

QUICK = ["--reference", "2048", "--drift-at", "4000", "--records", "5000"]


def _json(runner: CliRunner, *arguments: str) -> dict[str, Any]:
    done = runner.invoke(app, ["drift", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _error(runner: CliRunner, *arguments: str) -> AdaptdError:
    done = runner.invoke(app, ["drift", *arguments])
    assert isinstance(done.exception, AdaptdError), done.output
    return done.exception


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two columns and two classes; at record 3,000 the first column gets an offset."""
    randomness = np.random.default_rng(0)
    x = randomness.standard_normal((4_000, 2)).astype(np.float32)
    target = (x[:, 1] + 0.3 * randomness.standard_normal(4_000) > 0).astype(np.int16)
    x[3_000:, 0] += 1.0
    path = tmp_path / "table.parquet"
    pq.write_table(
        pa.table({"x0": x[:, 0].tolist(), "x1": x[:, 1].tolist(), "target": target.tolist()}), path
    )
    return path


@pytest.mark.parametrize(
    ("scenario", "kind", "rungs"),
    [
        ("outage", "outage", ["hold"]),
        ("class-prior-shift", "prior", ["prior-correction", "recalibrate"]),
        ("sampling-rate", "rate", ["weights", "reopen"]),
    ],
)
def test_a_scenario_alarms_once_after_its_drift_and_says_what_it_is(
    runner: CliRunner, scenario: str, kind: str, rungs: list[str]
) -> None:
    document = _json(runner, scenario, *QUICK)
    (event,) = document["events"]
    assert (event["kind"], event["rungs"]) == (kind, rungs)
    assert 4_000 <= event["record"] < 4_400
    truth = document["truth"]
    assert truth["drifts"][0] == 4_000
    measured = truth["measured"]
    assert measured["monitor"]["delays"][0] == event["record"] - 4_000 + 1
    assert measured["monitor"]["false_alarms"] == 0
    assert measured["always-fire"]["false_alarms"] > 30
    assert measured["never-fire"]["mdr"] == 1
    assert truth["is_better_than_baselines"]
    if kind == "outage":
        assert 4_600 <= event["until_record"] < 4_700


def test_a_recording_tells_its_columns_and_classes(runner: CliRunner, table: Path) -> None:
    document = _json(runner, str(table), "--reference", "1024", "--truth", "3000")
    (event,) = document["events"]
    assert (event["kind"], event["channels"]) == ("offset", [0])
    assert document["truth"]["measured"]["monitor"]["missed"] == 0
    assert event["tests"]["discriminator"]["auc"] > 0.7
    assert event["tests"]["mean_embedding"]["p_value"] < 0.01


def test_the_table_and_the_picture_show_it(runner: CliRunner, table: Path, tmp_path: Path) -> None:
    picture = tmp_path / "drift.png"
    done = runner.invoke(
        app,
        ["drift", str(table), "--reference", "1024", "--truth", "3000", "--picture", str(picture)],
    )
    assert done.exit_code == 0, done.output
    for word in ("offset", "recalibrate", "always-fire", "10 per million records", "adwin"):
        assert word in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_quiet_recording_raises_nothing(runner: CliRunner, table: Path) -> None:
    document = _json(runner, str(table), "--reference", "1024", "--records", "3000")
    assert document["events"] == []
    assert document["truth"] is None
    assert document["monitor"]["alarms"] == 0


def test_an_outage_in_the_reference_is_an_event_and_not_learnt(
    runner: CliRunner, table: Path, tmp_path: Path
) -> None:
    rows = pq.read_table(table).slice(0, 3_000)
    x0 = rows["x0"].to_numpy().copy()
    x0[1_600:1_824] = 0
    broken = tmp_path / "broken.parquet"
    pq.write_table(rows.set_column(0, "x0", pa.array(x0.tolist())), broken)
    document = _json(runner, str(broken), "--reference", "1024")
    (event,) = document["events"]
    assert (event["kind"], event["since_record"], event["channels"]) == ("outage", 1_600, [0])
    assert (event["record"], event["until_record"]) == (1_695, 1_824)
    assert document["monitor"]["watched_records"] <= 3_000 - 1_024 - 1_024 - 224


def test_a_budget_a_day_is_by_event_time(runner: CliRunner, table: Path) -> None:
    # A recording without times stands at a record a second.
    document = _json(runner, str(table), "--reference", "1024", "--alarms-per-day", "2")
    between = document["monitor"]["records_between_false_alarms"]
    assert between == pytest.approx(43_200, rel=0.01) or document["events"]


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["no-such"], ConfigError, "expected a scenario"),
        (["no-such.parquet"], SourceError, "no such file"),
        (["outage", "--truth", "soon"], ConfigError, "record numbers"),
        (["outage", "--detector", "none"], ConfigError, "page-hinkley"),
        (["outage", "--records", "600"], ConfigError, "lower --reference"),
        (
            ["outage", "--alarms-per-day", "1", "--alarms-per-million", "1"],
            ConfigError,
            "give one of them",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    runner: CliRunner, arguments: list[str], kind: type[AdaptdError], said: str
) -> None:
    error = _error(runner, *arguments)
    assert isinstance(error, kind)
    assert said in str(error)
    assert "\n" not in str(error)


def write_named_classes(path: Path) -> Path:
    """4,000 records of two features whose classes have names."""
    x = np.random.default_rng(0).standard_normal((4_000, 2))
    names = np.where(x[:, 0] > 0, "rough", "calm")
    rows = [f"{left:.4f},{right:.4f},{name}" for (left, right), name in zip(x, names, strict=True)]
    path.write_text("\n".join(["x0,x1,target", *rows]) + "\n")
    return path


def test_classes_may_have_names(runner: CliRunner, tmp_path: Path) -> None:
    path = write_named_classes(tmp_path / "rows.csv")
    told = ("--shape", "2", "--classes", "calm,rough", "--reference", "2048")
    assert _json(runner, str(path), *told)["records"] == 4_000


def test_where_no_record_fits_the_first_says_why(runner: CliRunner, tmp_path: Path) -> None:
    path = write_named_classes(tmp_path / "rows.csv")
    error = _error(runner, str(path), "--shape", "2", "--classes", "2")
    assert "no record fits: unknown-class" in str(error)


@pytest.mark.parametrize("classes", ["1", "calm", "calm,", "calm,calm", ""])
def test_classes_are_a_number_or_names(runner: CliRunner, tmp_path: Path, classes: str) -> None:
    path = write_named_classes(tmp_path / "rows.csv")
    error = _error(runner, str(path), "--shape", "2", "--classes", classes)
    assert "expected a number of at least 2, or names" in str(error)


def test_a_file_of_lines_needs_its_shape_and_classes(runner: CliRunner, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x0,target\n1,0\n")
    assert "--shape and --classes" in str(_error(runner, str(path)))
