from pathlib import Path

import numpy as np
import pytest

from adaptd.daemon.class_shares import counts_of, learnt_counts, shares_of
from adaptd.stream.window import Window
from tests.daemon.conftest import SCHEMA, LoopMaker, records


def test_shares_are_above_nothing_and_together_one() -> None:
    counts = counts_of(np.array([0, 2, 2, 2]), 4)
    assert counts == [1, 0, 3, 0]
    assert shares_of(counts) == pytest.approx([1.5 / 6, 0.5 / 6, 3.5 / 6, 0.5 / 6])


def test_what_a_champion_has_learnt_stands_in_its_release(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: running.source.next > 300)
    release = running.loop._lineup.release
    assert release is not None
    window = Window(2_000, SCHEMA.shape)
    window.append(records(0, 600))
    found = learnt_counts(running.context, release, window, before=500)
    assert found == counts_of(records(0, 200).target, 2)


def test_of_a_release_that_does_not_say_it_is_the_records_before(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop()
    running.until(lambda: running.source.next > 300)
    release = running.loop._lineup.release
    assert release is not None
    monkeypatch.setattr(
        "adaptd.daemon.class_shares.manifest.verify", lambda *_, **__: {"evidence": {}}
    )
    window = Window(2_000, SCHEMA.shape)
    window.append(records(0, 600))
    found = learnt_counts(running.context, release, window, before=500)
    assert found == counts_of(records(300, 200).target, 2)
    assert learnt_counts(running.context, release, window, before=0) is None


def test_of_weights_that_were_given_nobody_knows(loop: LoopMaker, tmp_path: Path) -> None:
    weights = tmp_path / "theirs.pt"
    weights.write_bytes(b"theirs")
    running = loop(model={"weights": str(weights)})
    running.until(lambda: running.source.next > 300)
    release = running.loop._lineup.release
    assert release is not None
    window = Window(2_000, SCHEMA.shape)
    window.append(records(0, 600))
    assert learnt_counts(running.context, release, window, before=500) is None
