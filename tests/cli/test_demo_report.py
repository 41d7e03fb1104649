"""The result of a demo, from its store and files alone."""

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from adaptd.cli.demo_facts import Success, ending, read
from adaptd.cli.demo_report import Report, build, show
from adaptd.cli.demo_setup import Demo
from adaptd.observer.predictor import Predictor
from adaptd.registry import scores
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.stream.scenario import SCENARIOS, generate


@pytest.fixture
def success(finished: Database, demo: Demo) -> Success:
    with finished.read() as connection:
        found = ending(read(connection, demo.stream), demo)
    assert isinstance(found, Success)
    return found


@pytest.fixture
def report(finished: Database, demo: Demo, state: StateDirectory, success: Success) -> Report:
    with finished.read() as connection:
        facts = read(connection, demo.stream)
        series = scores.series(connection, demo.stream, limit=10_000)
    return build(facts, success, demo, state=state, series=series)


def test_the_keys_are_the_promised_ones(report: Report) -> None:
    assert set(report) == {
        "schema_version",
        "scenario",
        "seed",
        "drift_at",
        "alarm_at",
        "released_at",
        "accuracy_before_drift",
        "accuracy_after_drift",
        "accuracy_prior_corrected",
        "accuracy_recalibrated",
        "accuracy_fine_tuned",
        "accuracy_retrained",
        "accuracy_shrink_perturbed",
        "accuracy_random_neighbour",
        "accuracy_reopened",
        "accuracy_released",
        "released",
        "detection_delay_records",
        "champion_architecture",
        "challenger_architecture",
        "supernet_memory_ratio",
        "macs_ratio",
        "phase_seconds",
        "records",
        "release_digest",
    }


def test_each_number_is_the_one_that_was_measured(report: Report) -> None:
    assert report["accuracy_after_drift"] == 0.27
    assert report["accuracy_fine_tuned"] == 0.31
    assert report["accuracy_retrained"] == 0.35
    assert report["accuracy_shrink_perturbed"] == 0.33
    assert report["accuracy_random_neighbour"] == 0.62
    assert report["accuracy_reopened"] == report["accuracy_released"] == 0.68
    assert report["released"] == "reopened"
    # The state is of a version that had none.
    assert report["accuracy_recalibrated"] is None
    assert (report["drift_at"], report["alarm_at"]) == (4_000, 4_224)
    assert report["detection_delay_records"] == 224
    assert report["released_at"] == 8_000
    assert report["records"] == 10_080
    assert report["macs_ratio"] == pytest.approx(1.05)
    assert report["supernet_memory_ratio"] == 1.004
    assert report["release_digest"] == "d" * 64
    assert report["champion_architecture"]["operations"]["b"] == "dw k5 d1"
    assert report["challenger_architecture"]["operations"]["b"] == "dw k9 d4"
    assert report["phase_seconds"] == {"rivals": 9.5, "search": 20.25}


def test_release_1_is_measured_between_its_training_and_the_drift(
    report: Report, demo: Demo, state: StateDirectory, success: Success
) -> None:
    x, target = generate(
        SCENARIOS[demo.scenario], seed=demo.seed, first=2_000, count=2_000, drift_at=4_000
    )
    predictor = Predictor.load(state.path / success.champion.path)
    expected = np.mean(predictor.predict(x).argmax(axis=1) == target)
    assert report["accuracy_before_drift"] == pytest.approx(expected)


def test_the_table_says_it_in_words_with_the_differences(report: Report, success: Success) -> None:
    text = StringIO()
    show(Console(file=text, width=200), report, success)
    rows = {line.split("  ")[0].strip(): line for line in text.getvalue().splitlines()}
    assert "+33.0" in rows["reopened against the best of the others"]
    assert "+6.0" in rows["reopened against the random edit"]
    assert "reopened, searched, folded: the new release" in text.getvalue()
    assert "224 records after the drift" in rows["drift alarm"]
    assert "b: dw k5 d1 becomes dw k9 d4" in rows["architecture"]
    assert "1,024 live records" in text.getvalue()
