"""What the benchmark of memory measures."""

import json
from pathlib import Path

import pytest

from adaptd.space.memory import predict_bytes
from benchmarks import memory
from benchmarks.benchmark import Settings


def test_every_method_opens_the_deployed_operation_among_at_least_four() -> None:
    for name, method in memory.METHODS.items():
        if name != "deployed":
            assert memory.DEPLOYED in method.candidates
            assert len(method.candidates) >= 4


@pytest.mark.parametrize("network", memory.NETWORKS)
def test_merging_keeps_linear_candidates_near_one_and_a_soft_mixture_does_not(
    network: str,
) -> None:
    deployed = memory.kept_bytes(network, "deployed", 4)
    linear = memory.kept_bytes(network, memory.LINEAR_ONLY, 4)
    soft = memory.kept_bytes(network, "soft mixture, linear only", 4)
    assert deployed < linear < 1.2 * deployed < 3 * deployed < soft


def test_what_is_measured_at_the_batch_is_what_the_ladder_foretells() -> None:
    opened = memory.opened("sequence", memory.METHODS["max pooling, one-path"])
    foretold = predict_bytes(opened, *memory.records("sequence", 2), batch=32)
    assert memory.kept_bytes("sequence", "max pooling, one-path", 32) == pytest.approx(
        foretold, rel=0.01
    )


def test_a_process_tells_its_own_peak() -> None:
    before = memory.peak_rss_bytes()
    held = bytearray(2 * before)
    for place in range(0, len(held), 4096):
        held[place] = 1
    assert memory.peak_rss_bytes() >= len(held)
    del held
    assert memory.peak_rss_bytes() >= 2 * before


@pytest.mark.slow
def test_a_smoke_run_gives_a_document_that_json_holds_and_a_picture(tmp_path: Path) -> None:
    # A parent whose peak is large, as this process may be, must not show in its children's.
    held = bytearray(2**30)
    held[::4096] = bytes(len(held) // 4096)
    outcome = memory.run(Settings(scale="smoke", seeds=(0,), data=tmp_path))
    del held
    document = json.loads(json.dumps(outcome.document, allow_nan=False))
    assert document["ratio"].keys() == memory.METHODS.keys()
    assert document["ratio"]["deployed"] == {"sequence at 8": 1}
    assert document["targets"][memory.LINEAR_ONLY]["is_met"]
    for method, target in document["targets"].items():
        largest = max(document["ratio"][method].values())
        assert target["is_met"] == (largest <= target["target"])
    for peaks in document["peak_rss_bytes"].values():
        assert 2**26 < peaks["sequence at 8"] < 2**30
    picture = tmp_path / "memory.png"
    outcome.draw(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
