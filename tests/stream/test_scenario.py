from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.config import ScenarioSourceConfig
from adaptd.stream import camera_swap, lag_shift, outage, prior_shift, sampling_rate
from adaptd.stream.scenario import CHUNK_RECORDS, SCENARIOS, generate
from adaptd.stream.timeline import Gradual, Passing, Recurring, Sigmoid, Step, Timeline

_END = 3 * CHUNK_RECORDS
_NAMES = st.sampled_from(sorted(SCENARIOS))
# Few numbers, of few values each: many of their records are alike.
_COUNTED = {"stagger", "led"}


@given(name=_NAMES, cuts=st.lists(st.integers(0, _END), max_size=5), drift_at=st.integers(0, _END))
def test_a_stream_is_the_same_however_it_is_cut(name: str, cuts: list[int], drift_at: int) -> None:
    scenario = SCENARIOS[name]
    whole = generate(scenario, seed=3, first=0, count=_END, drift_at=drift_at)
    edges = [0, *sorted(cuts), _END]
    parts = [
        generate(scenario, seed=3, first=start, count=end - start, drift_at=drift_at)
        for start, end in pairwise(edges)
    ]
    for column in (0, 1):
        np.testing.assert_array_equal(
            np.concatenate([part[column] for part in parts]), whole[column]
        )


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, one in SCENARIOS.items()
        if isinstance(one.timeline, Step) and name not in _COUNTED
    ),
)
def test_the_place_of_the_drift_changes_no_record_on_either_side(name: str) -> None:
    scenario = SCENARIOS[name]
    early = generate(scenario, seed=0, first=0, count=_END, drift_at=100)[0]
    late = generate(scenario, seed=0, first=0, count=_END, drift_at=400)[0]
    np.testing.assert_array_equal(early[:100], late[:100])
    np.testing.assert_array_equal(early[400:], late[400:])
    is_close = np.isclose(early[100:400], late[100:400])
    assert not is_close.reshape(300, -1).all(axis=1).any()


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_records_differ_by_seed_and_from_each_other(name: str) -> None:
    scenario = SCENARIOS[name]
    x, target = generate(scenario, seed=0, first=0, count=_END, drift_at=_END)
    other, _ = generate(scenario, seed=1, first=0, count=_END, drift_at=_END)
    if name not in _COUNTED:
        assert len(np.unique(x.reshape(_END, -1), axis=0)) == _END
        assert not (x == other).reshape(_END, -1).all(axis=1).any()
    assert (x != other).any()
    assert x.dtype == np.float32
    assert target.dtype == np.int64
    assert x.shape == (_END, *scenario.shape)
    assert set(target) == set(range(len(scenario.classes)))


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_schema_has_the_scenarios_shape_and_classes(name: str) -> None:
    scenario = SCENARIOS[name]
    schema = scenario.schema
    assert (schema.shape, schema.classes) == (scenario.shape, scenario.classes)
    assert len(schema.features) == scenario.shape[0]


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="start at 0"):
        generate(SCENARIOS["lag-shift"], seed=0, first=-1, count=3, drift_at=0)


def test_echoes_come_at_the_lag_of_the_class() -> None:
    for is_after, lags in ((False, lag_shift.LAGS_BEFORE), (True, lag_shift.LAGS_AFTER)):
        x, target = lag_shift.draw(np.random.default_rng(0), 4_000, is_after=is_after)
        signal = x[:, 0].astype(np.float64)
        for place, lag in enumerate(lags):
            own = signal[target == place]
            products = [
                (own[:, shift:] * own[:, :-shift]).mean()
                for shift in range(1, lag_shift.LENGTH // 2)
            ]
            # About 1,000 records of 64 samples: the peak stands tens of standard errors high.
            assert int(np.argmax(products)) + 1 == lag


def test_waveforms_are_told_apart_by_their_shape_before_and_after() -> None:
    for is_after, noise, stretch in ((False, 0.25, 1), (True, 0.6, 4)):
        x, target = sampling_rate.draw(np.random.default_rng(0), 2_000, is_after=is_after)
        points = sampling_rate.WAVEFORMS.shape[1]
        # Each class's own waveform, slid along the record, against all ten: a matched filter.
        templates = np.array(
            [
                np.interp(np.linspace(0, points - 1, points * stretch), np.arange(points), wave)
                for wave in sampling_rate.WAVEFORMS
            ]
        )
        windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], points * stretch, axis=1)
        best = np.einsum("nsl,cl->nsc", windows, templates).max(axis=1).argmax(axis=1)
        assert (best == target).mean() > 0.8
        # What lies beside the waveform is noise of the sensor's own size.
        assert abs(x[:, 0].std(axis=1).min() - noise) < noise


def test_no_two_waveforms_look_alike() -> None:
    waveforms = sampling_rate.WAVEFORMS
    assert waveforms.shape == (10, 12)
    np.testing.assert_allclose(waveforms.mean(axis=1), 0, atol=0.02)
    np.testing.assert_allclose(waveforms.std(axis=1), 1, atol=0.02)
    likeness = np.corrcoef(waveforms) - 2 * np.eye(10)
    assert likeness.max() < 0.8


def test_every_scenario_can_be_configured() -> None:
    for name, scenario in SCENARIOS.items():
        source = ScenarioSourceConfig.model_validate({"kind": "scenario", "scenario": name})
        assert source.scenario == name
        assert scenario.summary


def after(timeline: Timeline, count: int, *, drift_at: int) -> list[bool]:
    chances = np.random.default_rng(0).random(count)
    found: list[bool] = timeline.is_after(np.arange(count), chances, drift_at=drift_at).tolist()
    return found


def test_a_step_is_for_good() -> None:
    assert after(Step(), 6, drift_at=4) == [False] * 4 + [True] * 2
    assert Step().drifts(drift_at=4, records=6) == [4]
    assert Step().drifts(drift_at=4, records=4) == []


def test_what_recurs_changes_every_so_many_records() -> None:
    assert after(Recurring(), 7, drift_at=2) == [False, False, True, True, False, False, True]
    assert Recurring().drifts(drift_at=2, records=7) == [2, 4, 6]
    assert Recurring().drifts(drift_at=0, records=2) == [1]


def test_what_passes_is_over_after_a_while() -> None:
    assert after(Passing(3), 9, drift_at=4) == [False] * 4 + [True] * 3 + [False] * 2
    assert Passing(3).drifts(drift_at=4, records=9) == [4, 7]
    assert Passing(3).drifts(drift_at=4, records=6) == [4]


def test_what_comes_gradually_is_half_there_in_the_middle() -> None:
    found = np.array(after(Gradual(10_000), 30_000, drift_at=10_000))
    assert not found[:10_000].any()
    assert found[20_000:].all()
    # Three standard errors of a share of 2,000.
    assert abs(found[14_000:16_000].mean() - 0.5) < 0.034
    assert found[10_000:12_000].mean() < 0.2
    assert found[18_000:20_000].mean() > 0.8
    assert Gradual().drifts(drift_at=3, records=9) == [3]


def test_what_comes_along_a_sigmoid_is_slow_at_both_ends() -> None:
    found = np.array(after(Sigmoid(10_000), 30_000, drift_at=10_000))
    assert not found[:10_000].any()
    assert found[25_000:].all()
    # Three standard errors of a share of 2,000.
    assert abs(found[14_000:16_000].mean() - 0.5) < 0.034
    assert found[10_000:12_000].mean() < 0.08
    assert found[18_000:20_000].mean() > 0.92
    assert Sigmoid().drifts(drift_at=3, records=9) == [3]


def test_a_stuck_sensor_says_nothing_of_a_world_that_goes_on() -> None:
    x, target = outage.draw(np.random.default_rng(0), 200, is_after=True)
    assert (x == outage.STUCK).all()
    assert len(set(target)) == 10
    stream, _ = generate(SCENARIOS["outage"], seed=0, first=0, count=2_000, drift_at=700)
    is_stuck = (stream == outage.STUCK).all(axis=(1, 2))
    assert np.flatnonzero(is_stuck).tolist() == list(range(700, 1_300))


def test_a_prior_shift_changes_how_often_and_not_what() -> None:
    before = prior_shift.draw(np.random.default_rng(0), 20_000, is_after=False)
    after_it = prior_shift.draw(np.random.default_rng(1), 20_000, is_after=True)
    assert np.abs(np.bincount(before[1]) / 20_000 - 0.1).max() < 0.01
    assert np.abs(np.bincount(after_it[1]) / 20_000 - prior_shift.PRIORS_AFTER).max() < 0.01
    assert prior_shift.PRIORS_AFTER.sum() == pytest.approx(1)
    for place in (0, 5):
        usual, now = (x[target == place].mean(axis=0) for x, target in (before, after_it))
        np.testing.assert_allclose(usual, now, atol=0.15)


def test_figures_are_told_apart_by_both_cameras() -> None:
    """By what little a person would look at: how much ink, and how it is spread."""
    for is_after in (False, True):
        x, target = camera_swap.draw(np.random.default_rng(0), 3_000, is_after=is_after)
        assert x.shape == (3_000, 1, camera_swap.SIDE, camera_swap.SIDE)
        ink = x[:, 0].sum(axis=(1, 2))
        means = [ink[target == place].mean() for place in range(len(camera_swap.FIGURES))]
        # A cross has two bars, a square more than a ring.
        assert means[1] > 1.6 * means[0]
        assert means[3] > means[2] > means[1] > means[0]
