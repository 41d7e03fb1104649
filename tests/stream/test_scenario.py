from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.stream import lag_shift, sampling_rate
from adaptd.stream.scenario import CHUNK_RECORDS, SCENARIOS, generate

_END = 3 * CHUNK_RECORDS
_NAMES = st.sampled_from(sorted(SCENARIOS))


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


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_the_place_of_the_drift_changes_no_record_on_either_side(name: str) -> None:
    scenario = SCENARIOS[name]
    early = generate(scenario, seed=0, first=0, count=_END, drift_at=100)[0]
    late = generate(scenario, seed=0, first=0, count=_END, drift_at=400)[0]
    np.testing.assert_array_equal(early[:100], late[:100])
    np.testing.assert_array_equal(early[400:], late[400:])
    assert not np.isclose(early[100:400], late[100:400]).all(axis=(1, 2)).any()


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_records_differ_by_seed_and_from_each_other(name: str) -> None:
    scenario = SCENARIOS[name]
    x, target = generate(scenario, seed=0, first=0, count=_END, drift_at=_END)
    other, _ = generate(scenario, seed=1, first=0, count=_END, drift_at=_END)
    assert len(np.unique(x.reshape(_END, -1), axis=0)) == _END
    assert not (x == other).all(axis=(1, 2)).any()
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
