"""That records go through both clients, and what a machine without Kafka is told."""

from pathlib import Path

import pytest

from benchmarks.benchmark import Settings
from benchmarks.broker import JARS_VARIABLE
from benchmarks.ingest import run
from benchmarks.recorded import MissingDataError


def test_without_a_kafka_it_fails_and_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(JARS_VARIABLE, raising=False)
    with pytest.raises(MissingDataError, match=JARS_VARIABLE):
        run(Settings("smoke", (0,), tmp_path))


@pytest.mark.slow
@pytest.mark.xdist_group("kafka")
def test_both_read_every_record_in_every_round(
    tmp_path: Path, kafka_jars: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kafka_jars is None:
        pytest.skip(f"{JARS_VARIABLE} names no Kafka")
    monkeypatch.setenv(JARS_VARIABLE, str(kafka_jars))
    outcome = run(Settings("smoke", (0,), tmp_path))
    rounds = outcome.document["kafka_rounds"]
    assert {name: len(of) for name, of in rounds.items()} == {"bare": 2, "adaptd": 2, "learning": 1}
    assert outcome.document["kafka_ratio_to_bare_client"] > 0
    assert outcome.document["parquet_records_per_second"] > 0
    outcome.draw(tmp_path / "ingest.png")
    assert (tmp_path / "ingest.png").stat().st_size > 0
