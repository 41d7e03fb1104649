"""The whole ladder, live: each of four drifts in a row is answered by the rung that suits it."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from adaptd.daemon.dossier import proposed
from adaptd.registry.episodes import Episode
from adaptd.stream import outage, prior_shift, sampling_rate
from benchmarks.live import Live, Watched, run
from benchmarks.live.feed import joined
from benchmarks.streams import Samples
from benchmarks.streams.shift import Kind

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

# Noise beside the sensor's own, so that how frequent a class is says something of a record.
NOISE = 0.4
INITIAL = 1_200
WATCHED = 2_400


@dataclass(frozen=True)
class Sensor:
    """What a stream of waveforms is, for whoever deploys a model on it."""

    kind: Kind = "sequence"
    shape: tuple[int, ...] = (1, sampling_rate.LENGTH)
    classes: int = len(sampling_rate.WAVEFORMS)
    champion: str | None = "dw k3 d1"


def noisy(x: NDArray[np.float32], target: NDArray[np.int64], *, seed: int) -> Samples:
    noise = NOISE * np.random.default_rng([0, seed]).standard_normal(x.shape)
    return Samples(x + noise.astype(np.float32), target)


def waves(records: int, *, seed: int, priors: bool = False) -> Samples:
    drawn = prior_shift.draw(np.random.default_rng([1, seed]), records, is_after=priors)
    return noisy(*drawn, seed=seed)


def resampled(records: int, *, seed: int) -> Samples:
    drawn = sampling_rate.draw(np.random.default_rng([2, seed]), records, is_after=True)
    return noisy(*drawn, seed=seed)


def stuck(records: int, *, seed: int) -> Samples:
    return Samples(*outage.draw(np.random.default_rng([3, seed]), records, is_after=True))


PARTS = {
    "ordinary": waves(INITIAL + WATCHED, seed=0),
    "resampled": resampled(5_000, seed=9),
    "ordinary again": waves(WATCHED, seed=1),
    "stuck": stuck(320, seed=0),
    "works again": waves(WATCHED, seed=2),
    "other classes": waves(12_000, seed=3, priors=True),
}
FIRST = dict(
    zip(PARTS, np.cumsum([0, *(len(part) for part in PARTS.values())]).tolist(), strict=False)
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    live = Live(
        shift=Sensor(),
        records=joined(*PARTS.values()),
        initial=INITIAL,
        steps=300,
        seed=0,
        ends_with_episode=False,
        settings={
            "initial": {"records": INITIAL, "steps": 600},
            "episode": {"records": 800, "steps": 300},
            "trial": {"minimum_records": 200},
            "alarm": {"reference_blocks": 40},
        },
    )
    return run(live, directory=tmp_path_factory.mktemp("ladder"))


def of(seen: Watched, part: str) -> list[Episode]:
    """Episodes of alarms from a part on to the next one."""
    places = [*FIRST.values(), 10**9]
    first = FIRST[part]
    end = places[places.index(first) + 1]
    return [one for one in seen.episodes if first <= one.trigger["record"] < end]


def winner(seen: Watched, episode: Episode) -> str:
    (found,) = [one for one in seen.proposals if one.episode_id == episode.id]
    return proposed(found.evidence)


def test_there_is_no_episode_before_the_first_drift(seen: Watched) -> None:
    assert of(seen, "ordinary") == []


def test_another_sampling_rate_is_answered_by_another_architecture(seen: Watched) -> None:
    (episode,) = of(seen, "resampled")
    assert episode.plan["diagnosis"]["kind"] == "rate"
    assert (episode.outcome, winner(seen, episode)) == ("released", "reopened")
    release = next(one for one in seen.releases if one.episode_id == episode.id)
    assert release.architecture != seen.releases[0].architecture


def test_the_old_concept_is_answered_by_the_release_that_fitted_it(seen: Watched) -> None:
    (episode,) = of(seen, "ordinary again")
    assert (episode.outcome, winner(seen, episode)) == ("released", "release-1")


def test_a_stuck_sensor_is_held(seen: Watched) -> None:
    (episode,) = of(seen, "stuck")
    assert episode.outcome == "held"
    assert "x0 constant" in (episode.reason or "")
    assert of(seen, "works again") == []


def test_other_class_shares_are_answered_by_other_priors(seen: Watched) -> None:
    (episode,) = of(seen, "other classes")
    assert episode.plan["diagnosis"]["kind"] == "prior"
    assert (episode.outcome, winner(seen, episode)) == ("released", "prior-corrected")
