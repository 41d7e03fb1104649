"""The curves of the picture, and that it is one."""

import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adaptd.cli.demo_picture import CHUNK_RECORDS, WINDOW_RECORDS, curve, draw, untouched
from adaptd.cli.demo_setup import Demo
from adaptd.observer.predictor import Predictor
from adaptd.registry.scores import BlockScore
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.stream.scenario import SCENARIOS, generate

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def _series(blocks: list[tuple[int, int]]) -> list[BlockScore]:
    """blocks: (records, hits) each, from record 1,000 on."""
    rows, first = [], 1_000
    for number, (records, hits) in enumerate(blocks):
        rows.append(BlockScore("s", number, first, records, hits, 0.1, "d" * 64, NOW))
        first += records
    return rows


def _block(records: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.just(records), st.integers(0, records))


@given(st.lists(st.integers(1, 300).flatmap(_block), max_size=40))
def test_each_point_is_over_the_fewest_latest_blocks_of_a_whole_window(
    blocks: list[tuple[int, int]],
) -> None:
    series = _series(blocks)
    expected = []
    for last in range(1, len(series) + 1):
        for first in range(last - 1, -1, -1):
            window = series[first:last]
            if sum(block.records for block in window) >= WINDOW_RECORDS:
                right = sum(block.hits for block in window)
                end = window[-1].first_record + window[-1].records
                expected.append((end, right / sum(block.records for block in window)))
                break
    ends, fractions = curve(series)
    assert list(ends) == [end for end, _ in expected]
    np.testing.assert_allclose(fractions, [fraction for _, fraction in expected])


def test_too_few_records_for_a_window_give_no_curve() -> None:
    ends, fractions = curve(_series([(WINDOW_RECORDS - 1, 5)]))
    assert len(ends) == len(fractions) == 0


def test_release_1_scores_the_very_records_of_each_block(
    observed: Database, demo: Demo, state: StateDirectory
) -> None:
    predictor = Predictor.load(next(state.releases(demo.stream).iterdir()))
    # Blocks that begin off the chunks, across the drift, with a gap as after a take-over.
    series = _series([(32, 0)] * 150)
    series = series[:40] + series[47:]
    assert series[-1].first_record > demo.drift_at
    assert series[-1].first_record - series[0].first_record > CHUNK_RECORDS
    scored = untouched(series, demo, predictor)
    for before, after in zip(series, scored, strict=True):
        x, target = generate(
            SCENARIOS[demo.scenario],
            seed=demo.seed,
            first=before.first_record,
            count=before.records,
            drift_at=demo.drift_at,
        )
        assert after.first_record == before.first_record
        assert after.hits == (predictor.predict(x).argmax(axis=1) == target).sum()


def test_no_blocks_are_no_baseline(observed: Database, demo: Demo, state: StateDirectory) -> None:
    predictor = Predictor.load(next(state.releases(demo.stream).iterdir()))
    assert untouched([], demo, predictor) == []


def test_the_picture_is_a_png_of_legible_size(tmp_path: Path) -> None:
    report = {
        "scenario": "lag-shift",
        "seed": 3,
        "drift_at": 4_000,
        "alarm_at": 4_224,
        "released_at": 9_000,
    }
    random = np.random.default_rng(1)
    series = _series([(32, int(random.binomial(32, 0.9))) for _ in range(400)])
    baseline = _series([(32, int(random.binomial(32, 0.3))) for _ in range(400)])
    path = tmp_path / "demo.png"
    draw(path, report=report, live=curve(series), baseline=curve(baseline), classes=4)
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width >= 1_200
    assert 1.3 < width / height < 2.2
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo.png"]
