"""A release that is worse than its predecessor is found out, and no other."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from adaptd.adaptation.watch import Watch

Hits = NDArray[np.bool_]


def watch(*, alpha: float = 0.05, minimum: int = 200, maximum: int = 3_000) -> Watch:
    return Watch(alpha=alpha, minimum_records=minimum, maximum_records=maximum)


def hits(seed: int, *, released: float, predecessor: float, records: int = 3_000) -> list[Hits]:
    rng = np.random.default_rng(seed)
    return [rng.random(records) < share for share in (released, predecessor)]


def watched(columns: list[Hits], **bounds: float) -> Watch:
    made = watch(**bounds)  # type: ignore[arg-type]
    made.update(*columns, first_record=9_000)
    return made


def test_a_worse_release_is_found_at_a_record_and_later_ones_do_not_count() -> None:
    # 15 points worse: 100 of 100 other seeds.
    columns = hits(0, released=0.7, predecessor=0.85)
    made = watched(columns)
    assert made.verdict() == "worse"
    assert 200 <= made.records < 3_000
    before = made.state()
    made.update(*hits(1, released=1.0, predecessor=0.0), first_record=12_000)
    assert made.state() == before
    shorter = watch()
    shorter.update(*(column[: made.records - 1] for column in columns), first_record=9_000)
    assert shorter.verdict() == "watching"


def test_nothing_is_said_before_the_minimum() -> None:
    made = watch(minimum=200)
    columns = hits(2, released=0.1, predecessor=0.9)
    made.update(*(column[:199] for column in columns), first_record=0)
    assert made.verdict() == "watching"
    made.update(*(column[199:] for column in columns), first_record=199)
    assert made.verdict() == "worse"
    assert made.records == 200


def test_a_better_release_is_kept_and_the_watch_ends() -> None:
    made = watched(hits(3, released=0.85, predecessor=0.7))
    assert made.verdict() == "kept"
    assert made.records == 3_000
    assert made.evidence()["log_e_value"] < 1


def test_a_release_as_good_is_seldom_called_worse() -> None:
    # If the true rate were alpha = 0.05, more than 30 of 300 would be called worse with
    # probability 2e-4 (binomial); it is lower. Seeds are fixed, so none flickers.
    worse = sum(
        watched(hits(seed, released=0.8, predecessor=0.8)).verdict() == "worse"
        for seed in range(300)
    )
    assert worse <= 30


def test_a_smaller_alpha_asks_for_more() -> None:
    columns = hits(4, released=0.75, predecessor=0.85)
    assert watched(columns, alpha=1e-4).records > watched(columns).records


def test_evidence_is_of_the_records_that_count_and_json_holds_it() -> None:
    columns = hits(5, released=0.6, predecessor=0.9)
    made = watched(columns)
    evidence = json.loads(json.dumps(made.evidence(), allow_nan=False))
    assert evidence["accuracy"]["released"] == columns[0][: made.records].mean()
    assert evidence["accuracy"]["predecessor"] == columns[1][: made.records].mean()
    assert evidence["first_record"] == 9_000
    assert evidence["log_e_value"] >= np.log(1 / 0.05)
    assert watch().evidence()["accuracy"] == {"released": None, "predecessor": None}


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    released=st.sampled_from([0.5, 0.7, 0.8]),
    cuts=st.lists(st.integers(0, 900), max_size=10).map(sorted),
)
def test_it_is_the_same_however_records_are_polled_and_restored(
    seed: int, released: float, cuts: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    # Scores as a regression has them.
    columns = [rng.beta(5 * share, 5 * (1 - share), 900) for share in (released, 0.75)]
    whole, cut = watch(minimum=50, maximum=700), watch(minimum=50, maximum=700)
    whole.update(columns[0], columns[1], first_record=40)
    for start, stop in zip([0, *cuts], [*cuts, 900], strict=True):
        cut.update(columns[0][start:stop], columns[1][start:stop], first_record=40 + start)
        cut = Watch.restore(json.loads(json.dumps(cut.state(), sort_keys=True)))
    assert cut.state() == whole.state()
    assert cut.evidence() == whole.evidence()


def test_what_cannot_be_watched_is_refused() -> None:
    with pytest.raises(ValueError, match="minimum_records <= maximum_records"):
        watch(minimum=10, maximum=5)
    with pytest.raises(ValueError, match="alpha"):
        watch(alpha=1.0)
    with pytest.raises(ValueError, match="paired"):
        watch().update(np.ones(3), np.ones(2), first_record=0)
    with pytest.raises(ValueError, match="schema_version"):
        Watch.restore({**watch().state(), "schema_version": 0})
