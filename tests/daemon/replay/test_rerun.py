"""Episodes of a real loop, run again: models of one line that really predict, real segments."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from adaptd.adaptation.counted import Counted
from adaptd.adaptation.job import FINE_TUNED, INITIAL, REOPENED, SHRUNK, WIDENED, WIDER
from adaptd.adaptation.trigger import Trigger
from adaptd.config import ApprovalConfig
from adaptd.daemon.replay.comparison import Comparison, compare
from adaptd.daemon.replay.recorded import (
    Recorded,
    check,
    counted_records,
    find,
    one_beginning_with,
)
from adaptd.daemon.replay.rerun import rerun
from adaptd.errors import ArtifactError, NotFoundError, NotReplayable
from adaptd.registry import releases, trials
from adaptd.registry.episodes import Episode
from adaptd.registry.trials import TrialRow
from adaptd.store import pins
from tests.daemon.conftest import (
    FOLLOWS,
    STREAM,
    LoopMaker,
    MemorySource,
    Running,
    ScriptedExecutor,
)
from tests.daemon.readings import told


def released(running: Running) -> int:
    with running.context.database.read() as connection:
        return len(releases.history(connection, STREAM))


def trials_of(running: Running) -> list[TrialRow]:
    with running.context.database.read() as connection:
        return trials.of_episode(connection, told(running)[0].id)


def is_in(running: Running, state: str) -> Callable[[], bool]:
    return lambda: bool(told(running)) and told(running)[0].state == state


def recorded_of(running: Running, episode: Episode) -> Recorded:
    with running.context.database.read() as connection:
        return find(connection, episode.id)


def replayed(
    running: Running,
    output: Path,
    *,
    episode: Episode | None = None,
    follows: Mapping[str, int] = FOLLOWS,
    skips: Mapping[str, str] | None = None,
) -> Comparison:
    """The latest episode, run again by an executor that knows nothing of the first run.

    follows: what its members come out as. skips: those that do not, and why.
    """
    recorded = recorded_of(running, episode or told(running)[0])
    check(recorded, running.context.state)
    executor = ScriptedExecutor(follows=follows, skips=skips or {})
    reruns = rerun(
        recorded,
        state=running.context.state,
        executor=executor,
        output=output / "again",
        report=lambda _kind, _at: None,
    )
    assert not executor.is_running
    return compare(reruns)


def verdicts(comparison: Comparison) -> list[tuple[str, str]]:
    return [
        (line.kind, line.replayed)
        for line in comparison.lines
        if line.what == "verdict" and line.is_same
    ]


def until_released(running: Running, number: int = 2) -> Running:
    running.until(lambda: released(running) == number)
    return running


def test_an_episode_that_climbed_comes_out_the_same(loop: LoopMaker, tmp_path: Path) -> None:
    running = until_released(loop())
    found = replayed(running, tmp_path)
    assert found.is_same
    assert all(line.is_same for line in found.lines)
    assert verdicts(found) == [("weights", "short"), ("reopen", "better")]
    assert {line.of for line in found.lines if line.what == "architecture"} == set(FOLLOWS) - {
        INITIAL,
        WIDENED,
        WIDER,
    }


def test_what_exceeded_a_limit_is_trained_again_and_not_compared(
    loop: LoopMaker, tmp_path: Path
) -> None:
    limited = {"maximum_parameters": 3, "good_enough_points": None}
    running = loop(episode={"records": 200, "minimum_records": 100, **limited})
    running.executor.follows = {**FOLLOWS, FINE_TUNED: 1}
    until_released(running)
    found = replayed(running, tmp_path, follows={**FOLLOWS, FINE_TUNED: 1})
    assert found.is_same
    assert all(line.is_same for line in found.lines)
    assert REOPENED not in {line.of for line in found.lines}


def test_a_daemon_that_was_killed_in_the_trial_has_counted_the_same(
    loop: LoopMaker, tmp_path: Path
) -> None:
    running = loop()
    running.until(is_in(running, "trial"))
    for _ in range(2):
        running.step()
    (trial,) = trials_of(running)
    assert trial.ended_at is None
    running = until_released(running.again())
    assert replayed(running, tmp_path).is_same


def test_late_labels_are_counted_in_the_order_in_which_they_came(
    loop: LoopMaker, tmp_path: Path
) -> None:
    running = until_released(loop(labels={"delay_records": 100, "wait_seconds": 10_000}))
    found = replayed(running, tmp_path)
    assert all(line.is_same for line in found.lines)
    assert ("reopen", "better") in verdicts(found)


def test_answers_that_the_records_brought_are_taken_as_they_were(
    loop: LoopMaker, tmp_path: Path
) -> None:
    # The release itself stays right: only the recorded answers tell of a drift.
    record = {"shape": [2, 1], "classes": ["minus", "plus"], "prediction": "answered"}
    source = MemorySource(drift_at=10**6, deployed_fails_at=700)
    running = until_released(loop(source, record=record))
    found = replayed(running, tmp_path)
    assert all(line.is_same for line in found.lines)
    deployed = [line for line in found.lines if (line.what, line.of) == ("accuracy", "deployed")]
    assert deployed[-1].replayed == 0


def test_a_scheduled_episode_without_a_drift_comes_out_the_same(
    loop: LoopMaker, tmp_path: Path
) -> None:
    running = loop(MemorySource(drift_at=10**6))
    running.until(lambda: released(running) == 1 and running.source.next > 600)
    running.context.queue.put(
        Trigger(kind="schedule", stream=STREAM, record=0, since_record=0, detail="")
    )
    running.until(is_in(running, "closed"))
    assert told(running)[0].outcome in ("no-better", "inconclusive")
    found = replayed(running, tmp_path)
    assert all(line.is_same for line in found.lines)
    assert [kind for kind, _ in verdicts(found)] == ["weights-reopen"]


def test_an_earlier_release_is_tried_again_without_any_training(
    loop: LoopMaker, tmp_path: Path
) -> None:
    running = until_released(loop())
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running.source.drift_at = 10**6
    until_released(running, 3)
    found = replayed(running, tmp_path)
    assert all(line.is_same for line in found.lines)
    assert verdicts(found) == [("recall", "better")]
    assert [line.replayed for line in found.lines if line.what == "winner"] == ["release-1"]
    assert not (tmp_path / "again").exists()


def test_a_proposal_that_awaits_a_decision_can_be_replayed(loop: LoopMaker, tmp_path: Path) -> None:
    running = loop(approval=ApprovalConfig(policy="operator").model_dump())
    running.until(is_in(running, "proposed"))
    assert replayed(running, tmp_path).is_same


def test_an_open_episode_is_to_be_waited_for(loop: LoopMaker) -> None:
    running = loop()
    running.until(is_in(running, "trial"))
    with pytest.raises(NotReplayable, match="still trial"):
        recorded_of(running, told(running)[0])


def test_networks_that_come_out_otherwise_are_not_the_same(loop: LoopMaker, tmp_path: Path) -> None:
    running = until_released(loop())
    found = replayed(running, tmp_path, follows={**FOLLOWS, REOPENED: 0})
    assert not found.is_same_architecture
    assert not found.is_same_verdict
    # Nobody is better now, on as many records as there are.
    (line,) = [line for line in found.lines if line.what == "verdict" and not line.is_same]
    assert line.recorded == "better"


def test_a_network_that_is_no_longer_found_is_told_with_the_reason(
    loop: LoopMaker, tmp_path: Path
) -> None:
    running = until_released(loop())
    why = "at most 3 parameters: no combination has so few"
    with pytest.raises(NotReplayable, match=rf"no longer trained here: reopened \({why}\)$"):
        replayed(running, tmp_path, skips={REOPENED: why})


def test_another_architecture_of_a_rival_counts_too(loop: LoopMaker, tmp_path: Path) -> None:
    running = until_released(loop())
    found = replayed(running, tmp_path, follows={**FOLLOWS, SHRUNK: 1})
    assert not found.is_same


def test_records_that_left_the_window_are_pinned(loop: LoopMaker, tmp_path: Path) -> None:
    running = until_released(loop())
    (episode,) = told(running)
    at = running.source.next
    running.until(lambda: running.source.next > at + 4_000)
    window = running.context.config.window_records
    recorded = recorded_of(running, episode)
    ends = [row.end_record for row in recorded.trials if row.end_record is not None]
    assert max(ends) < running.source.next - window
    # A start sweeps what nobody names.
    running = running.again()
    assert replayed(running, tmp_path, episode=episode).is_same
    with running.context.database.read() as connection:
        pinned = pins.of_episode(connection, episode.id)
    first, end = recorded.trials[0].first_record, max(ends)
    assert all(row.first_record < end for row in pinned)
    assert all(row.first_record + row.records > first for row in pinned)


def test_only_the_latest_episodes_are_kept(loop: LoopMaker, tmp_path: Path) -> None:
    section: dict[str, Any] = {"records": 200, "minimum_records": 100, "replayable": 1}
    running = until_released(loop(episode=section))
    (first,) = told(running)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running.source.swapped_from = running.source.next
    # A concept that nobody has seen, so that there is something to train.
    running.until(lambda: len(told(running)) == 2 and told(running)[0].closed_at is not None)
    at = running.source.next
    running.until(lambda: running.source.next > at + 2_500)
    second = told(running)[-2]
    with running.context.database.read() as connection:
        named = {row.path for row in pins.of_episode(connection, second.id)}
        assert pins.of_episode(connection, first.id) == []
        assert pins.paths(connection, STREAM) == named
    with pytest.raises(NotReplayable, match=r"are gone; `episode\.replayable`"):
        check(recorded_of(running, first), running.context.state)
    assert not (running.context.state.episodes(STREAM) / first.id).exists()


def test_a_training_file_that_was_changed_is_refused_by_name(loop: LoopMaker) -> None:
    running = until_released(loop())
    recorded = recorded_of(running, told(running)[0])
    path = running.context.absolute(recorded.episode.plan["records"])
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ArtifactError, match=path.name):
        check(recorded, running.context.state)
    path.unlink()
    with pytest.raises(NotReplayable, match="trained on are gone"):
        check(recorded, running.context.state)


def test_records_of_a_trial_are_taken_by_number_across_files_and_gaps(loop: LoopMaker) -> None:
    running = until_released(loop())
    recorded = recorded_of(running, told(running)[0])
    second = recorded.segments[1].first_record
    counted = Counted()
    counted.add(second - 3, np.ones(2, np.bool_))
    counted.add(second, np.ones(1, np.bool_))
    counted.add(second + 2, np.ones(600, np.bool_))
    row = replace(recorded.trials[0], counted=counted.state())
    found = counted_records(recorded, row, running.context.state.path)
    assert [first for first, _ in found] == [second - 3, second, second + 2]
    # Records of this source say their own number.
    assert [number for _, batch in found for number in batch.positions[:, 1]] == [
        *(second - 3, second - 2, second),
        *range(second + 2, second + 602),
    ]


def test_a_file_of_the_trial_that_was_changed_is_refused_by_name(loop: LoopMaker) -> None:
    running = until_released(loop())
    recorded = recorded_of(running, told(running)[0])
    first = recorded.trials[0].first_record
    path = next(
        running.context.absolute(row.path)
        for row in recorded.segments
        if row.first_record + row.records > first
    )
    path.write_bytes(b"torn")
    with pytest.raises(ArtifactError, match=path.name):
        check(recorded, running.context.state)


def test_a_champion_that_was_changed_is_refused_by_name(loop: LoopMaker) -> None:
    running = until_released(loop())
    recorded = recorded_of(running, told(running)[0])
    weights = running.context.absolute(recorded.champion.path) / "weights.safetensors"
    weights.write_bytes(b"others")
    with pytest.raises(ArtifactError, match=r"weights\.safetensors"):
        check(recorded, running.context.state)


def test_an_episode_that_was_held_has_nothing_to_run_again(loop: LoopMaker) -> None:
    running = loop(MemorySource(drift_at=10**6, stuck=(900, 400)))
    running.until(is_in(running, "closed"))
    with pytest.raises(NotReplayable, match="was held, so that nothing was trained"):
        recorded_of(running, told(running)[0])


def test_an_episode_that_was_refused_has_nothing_to_run_again(loop: LoopMaker) -> None:
    running = loop()
    running.executor.refused = "too few records"
    running.until(is_in(running, "closed"))
    with pytest.raises(NotReplayable, match="was refused before a trial had ended: too few"):
        recorded_of(running, told(running)[0])


def test_a_search_that_was_refused_after_new_weights_leaves_their_trial(
    loop: LoopMaker, tmp_path: Path
) -> None:
    running = loop()
    running.until(is_in(running, "trial"))
    running.executor.refused = "no longer"
    running.until(is_in(running, "closed"))
    found = replayed(running, tmp_path)
    assert verdicts(found) == [("weights", "short")]


def test_an_episode_of_an_earlier_version_says_so(loop: LoopMaker) -> None:
    running = until_released(loop())
    with running.context.database.write() as connection:
        connection.execute(text("DELETE FROM trials"))
    with pytest.raises(NotReplayable, match="did not keep yet"):
        recorded_of(running, told(running)[0])


def test_an_episode_is_found_by_the_beginning_of_its_id(loop: LoopMaker) -> None:
    running = until_released(loop())
    (episode,) = told(running)
    with running.context.database.read() as connection:
        assert one_beginning_with(connection, episode.id[:12].lower()) == episode.id
        with pytest.raises(NotFoundError, match=rf"'%'; the latest: {episode.id} \(s, released\)"):
            one_beginning_with(connection, "%")


def test_a_remedy_of_new_weights_comes_out_the_same(loop: LoopMaker, tmp_path: Path) -> None:
    running = loop()
    running.executor.follows = {**FOLLOWS, FINE_TUNED: 1}
    until_released(running)
    found = replayed(running, tmp_path, follows={**FOLLOWS, FINE_TUNED: 1})
    assert all(line.is_same for line in found.lines)
    assert verdicts(found) == [("weights", "better")]
