"""A daemon that is killed or stopped while it trains goes on where its worker stood."""

import hashlib
import signal
from functools import partial
from pathlib import Path

import pytest

from adaptd.adaptation.job import INITIAL
from tests.integration.conftest import STREAM, DaemonMaker, RunningDaemon

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

STEPS = 1_500
CONFIG = {"initial": {"records": 800, "steps": STEPS}}


def checkpoint_of(daemon: RunningDaemon) -> Path:
    return daemon.state.episodes(STREAM) / INITIAL / "members" / "checkpoint.safetensors"


def is_another(path: Path, before: bytes) -> bool:
    return path.exists() and path.read_bytes() != before


def weights_of(daemon: RunningDaemon) -> str:
    (release,) = daemon.releases()
    weights = daemon.state.path / release.path / "weights.safetensors"
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def test_release_1_is_the_same_whether_its_training_was_cut_off_or_not(
    daemon: DaemonMaker, tmp_path: Path
) -> None:
    cut = daemon(state=tmp_path / "cut", workers={"checkpoint_seconds": 0.1}, **CONFIG)
    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 0)):
        cut.start()
        cut.wait_for_event("initial.training")
        path = checkpoint_of(cut)
        before = path.read_bytes() if path.exists() else b""
        cut.wait_for(partial(is_another, path, before), name="checkpoint")
        assert cut.end(number) == code
        assert cut.events("release.published") == []
    cut.start()
    cut.wait_for_event("release.published", number=1)
    assert cut.events("worker.warning") == []
    assert cut.end(signal.SIGTERM) == 0
    whole = daemon(state=tmp_path / "whole", **CONFIG).start()
    whole.wait_for_event("release.published", number=1)
    assert whole.end(signal.SIGTERM) == 0
    assert weights_of(cut) == weights_of(whole)
