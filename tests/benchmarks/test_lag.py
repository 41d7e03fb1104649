"""That records go through a real daemon, idle and while a worker learns."""

from pathlib import Path

import pytest

from benchmarks.benchmark import Settings
from benchmarks.broker import JARS_VARIABLE
from benchmarks.lag import run
from benchmarks.recorded import MissingDataError


def test_without_a_kafka_it_fails_and_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(JARS_VARIABLE, raising=False)
    with pytest.raises(MissingDataError, match=JARS_VARIABLE):
        run(Settings("smoke", (0,), tmp_path))


@pytest.mark.slow
@pytest.mark.xdist_group("kafka")
@pytest.mark.timeout(900)
def test_every_block_has_a_wait_idle_and_beside_a_worker(
    tmp_path: Path, kafka_jars: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kafka_jars is None:
        pytest.skip(f"{JARS_VARIABLE} names no Kafka")
    monkeypatch.setenv(JARS_VARIABLE, str(kafka_jars))
    outcome = run(Settings("smoke", (0,), tmp_path))
    (one,) = outcome.document["runs"]
    assert one["saturation_records_per_second"] > 0
    assert min(one["records"].values()) > 0
    for name in ("idle", "searching"):
        assert 0 < one["p50_seconds"][name] <= one["p99_seconds"][name]
    assert one["phases"]
    assert not {"collecting", "waiting"} & set(one["phases"])
    outcome.draw(tmp_path / "lag.png")
    assert (tmp_path / "lag.png").stat().st_size > 0
