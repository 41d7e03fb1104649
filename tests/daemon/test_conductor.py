"""Where the store is away in the middle of an episode's step, the step is tried again, whole."""

from collections.abc import Iterator

import pytest

from adaptd.adaptation.trial import DEPLOYED
from adaptd.daemon.forgetting import OLD_CONCEPTS
from adaptd.daemon.reservoir import Reservoir
from adaptd.errors import StoreUnavailable
from adaptd.registry import episodes, old_concepts, releases, spendings, trials
from adaptd.registry.episodes import Episode
from adaptd.registry.old_concepts import OldConcept
from adaptd.registry.trials import RECALL
from adaptd.stream.batch import Batch
from tests.daemon.conftest import STREAM, LoopMaker, Running


def latest(running: Running) -> Episode | None:
    with running.context.database.read() as connection:
        told = episodes.history(connection, STREAM)
    return told[0] if told else None


def is_in(running: Running, state: str) -> bool:
    episode = latest(running)
    return episode is not None and episode.state == state


def released(running: Running) -> int:
    with running.context.database.read() as connection:
        return len(releases.history(connection, STREAM))


def kinds_of_trials(running: Running) -> list[str]:
    """Of the latest episode."""
    episode = latest(running)
    assert episode is not None
    with running.context.database.read() as connection:
        return [trial.kind for trial in trials.of_episode(connection, episode.id)]


def spent(running: Running) -> int:
    with running.context.database.read() as connection:
        return spendings.next_test(connection, STREAM) - 1


def away_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The samples cannot be read the next time; tells when that was."""
    samples, failed = Reservoir.samples, list[str]()

    def away(reservoir: Reservoir) -> Iterator[tuple[OldConcept, Batch | None]]:
        if not failed:
            failed.append("away")
            raise StoreUnavailable("the disk is away")
        return samples(reservoir)

    monkeypatch.setattr(Reservoir, "samples", away)
    return failed


def until_back(running: Running) -> None:
    assert running.loop.trouble is not None
    running.until(lambda: running.loop.trouble is None)


def test_a_store_that_is_away_when_an_episode_begins_costs_no_sample(loop: LoopMaker) -> None:
    running = loop()
    running.until(lambda: is_in(running, "collecting"))
    with running.context.database.write():
        running.step()
    until_back(running)
    running.until(lambda: is_in(running, "searching"))
    with running.context.database.read() as connection:
        (concept,) = old_concepts.listing(connection, STREAM)
    assert concept.release == 1


def until_the_old_concept_is_back(running: Running) -> None:
    running.until(lambda: released(running) == 2)
    at = running.source.next
    running.until(lambda: running.source.next > at + 500)
    running.source.drift_at = 10**6
    running.until(lambda: is_in(running, "collecting"))


def test_a_store_that_is_away_when_a_recall_begins_costs_neither_it_nor_alpha(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop()
    until_the_old_concept_is_back(running)
    before, failed = spent(running), away_once(monkeypatch)
    running.until(lambda: bool(failed))
    until_back(running)
    running.until(lambda: bool(kinds_of_trials(running)))
    assert kinds_of_trials(running) == [RECALL]
    assert spent(running) == before + 1
    running.until(lambda: released(running) == 3)
    with running.context.database.read() as connection:
        assert [one.release for one in old_concepts.listing(connection, STREAM)] == [1, 2]


def test_a_store_that_is_away_when_a_trial_begins_begins_it_once(
    loop: LoopMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = loop(trial={"minimum_records": 400, "maximum_records": 512})
    running.until(lambda: is_in(running, "searching"))
    before, failed = spent(running), away_once(monkeypatch)
    running.until(lambda: bool(failed))
    until_back(running)
    running.until(lambda: is_in(running, "trial"))
    assert spent(running) == before + 1
    assert len(kinds_of_trials(running)) == 1
    episode = latest(running)
    assert episode is not None
    assert episode.plan[OLD_CONCEPTS][0]["accuracy"][DEPLOYED] == 1.0
    assert len([job for job in running.executor.jobs if job.kind == "adapt"]) == 1
