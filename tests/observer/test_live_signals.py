import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.config import AlarmConfig
from adaptd.drift.alarm import Alarm
from adaptd.observer.live_signals import MOST_CLASSES, LiveSignals
from adaptd.observer.score import score

CONTRACT = Contract(features=("hum", "heat"), shape=(2, 16), classes=("low", "high"))
ALARM = AlarmConfig(block_records=16, reference_blocks=80, stride_blocks=4)
WARM = 80 * 16
DRIFT = WARM + 640
RECORDS = DRIFT + 960


class Stream:
    """Tones of two frequencies, and a model that is right nine times in ten."""

    def __init__(self, seed: int = 0) -> None:
        randomness = np.random.default_rng(seed)
        self.target = randomness.integers(0, 2, RECORDS)
        place = np.arange(16) / 16
        phase = randomness.random((RECORDS, 2, 1))
        cycles = np.where(self.target == 1, 5, 2)[:, None, None]
        tones = np.sin(2 * np.pi * (cycles * place + phase))
        self.x = (tones + 0.3 * randomness.standard_normal(tones.shape)).astype(np.float32)
        is_right = randomness.random(RECORDS) < 0.9
        sure = 0.8 + 0.15 * randomness.random(RECORDS)
        said = np.where(is_right, self.target, 1 - self.target)
        self.p = np.full((RECORDS, 2), 0.0, np.float32)
        self.p[np.arange(RECORDS), said] = sure
        self.p[np.arange(RECORDS), 1 - said] = 1 - self.p[np.arange(RECORDS), said]
        self.times = np.arange(RECORDS, dtype=np.float64)

    @property
    def hits(self) -> NDArray[np.bool_]:
        return score(self.p, self.target)[0]


def changed(kind: str) -> Stream:
    stream = Stream()
    after = slice(DRIFT, None)
    if kind == "gain":
        stream.x[after] *= 2
    if kind == "stuck":
        stream.x[DRIFT : DRIFT + 320, 1] = 3
    if kind == "wrong":
        stream.p[after] = stream.p[after, ::-1]
    if kind == "unsure":
        stream.p[after] = 0.5 + (stream.p[after] - 0.5) * 0.2
    return stream


def run(signals: LiveSignals, stream: Stream, start: int = 0, stop: int = RECORDS) -> list[Alarm]:
    own = slice(start, stop)
    found: list[Alarm] = []
    taken = start
    while taken < stop:
        rest = slice(taken, stop)
        seen = signals.see(taken, stream.x[rest], stream.p[rest], stream.times[rest])
        found += seen.alarms
        taken += seen.taken
    found += signals.judge(
        start,
        probabilities=stream.p[own],
        target=stream.target[own],
        hits=stream.hits[own],
        times=stream.times[own],
    )
    return found


@pytest.mark.parametrize(
    ("kind", "signals"),
    [
        ("gain", {"input-moments", "input-psi", "input-components", "input-bands"}),
        ("stuck", {"input-faults"}),
        ("wrong", {"error", "error-of-low", "error-of-high", "calibration"}),
        ("unsure", {"output-confidence", "output-entropy", "calibration"}),
        ("none", set()),
    ],
)
def test_what_changes_is_seen_soon_and_named(kind: str, signals: set[str]) -> None:
    made = LiveSignals(CONTRACT, ALARM)
    alarms = run(made, changed(kind))
    assert {alarm.signal for alarm in alarms} <= signals
    assert bool(alarms) == bool(signals)
    for alarm in alarms:
        assert DRIFT <= alarm.record < DRIFT + 24 * 16
        assert abs(alarm.since_record - DRIFT) <= 4 * 16


STREAM = changed("gain")
STREAM.p[DRIFT:] = STREAM.p[DRIFT:, ::-1]
EXPECTED = LiveSignals(CONTRACT, ALARM)
ALARMS = run(EXPECTED, STREAM)


@settings(max_examples=15, deadline=None)
@given(
    cuts=st.lists(st.integers(0, RECORDS), max_size=12).map(sorted),
    kills=st.lists(st.integers(0, 12), max_size=3),
)
def test_alarms_and_state_are_the_same_however_records_are_polled_and_whatever_is_killed(
    cuts: list[int], kills: list[int]
) -> None:
    assert len({alarm.signal for alarm in ALARMS}) >= 3
    made = LiveSignals(CONTRACT, ALARM)
    found: list[Alarm] = []
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, RECORDS], strict=True)):
        found += run(made, STREAM, start, stop)
        if number in kills:
            kept = json.loads(json.dumps(made.state(), allow_nan=False))
            made = LiveSignals(CONTRACT, ALARM)
            made.restore(kept)
    assert sorted(found, key=lambda one: (one.record, one.signal)) == sorted(
        ALARMS, key=lambda one: (one.record, one.signal)
    )
    assert made.state() == EXPECTED.state()


def test_an_outage_ends_by_itself_and_nothing_is_learnt_from_it() -> None:
    stream, made = changed("stuck"), LiveSignals(CONTRACT, ALARM)
    (alarm,) = run(made, stream, 0, DRIFT + 256)
    assert alarm.signal == "input-faults"
    assert made.is_broken
    assert made.faults == {1: "constant"}
    # Neither an episode that ends as held nor one that ends otherwise makes it learn from that.
    made.relearn()
    made.resume()
    assert made.is_broken
    assert run(made, stream, DRIFT + 256) == []
    assert not made.is_broken
    assert made.faults == {}
    assert made.state()["unlabelled"]["monitor"]["blocks_of_reference"] == 60


@pytest.mark.parametrize("start", [WARM - 640, DRIFT + 320])
def test_a_sensor_that_breaks_in_the_reference_or_after_an_alarm_is_told_and_never_learnt(
    start: int,
) -> None:
    stream, made = changed("gain"), LiveSignals(CONTRACT, ALARM)
    stream.x[start : start + 480, 0] = 0
    run(made, stream, 0, start)
    assert bool(start > DRIFT) == (made.alarms_per_day not in (None, 0.0))
    (alarm,) = run(made, stream, start, start + 160)
    assert alarm.signal == "input-faults"
    assert made.faults == {0: "constant"}
    made.accept()
    made.relearn()
    assert made.is_broken
    monitor = made.state()["unlabelled"]["monitor"]
    assert monitor["is_fitted"]
    run(made, stream, start + 160, start + 496)
    assert not made.is_broken


def test_a_release_in_an_outage_does_not_end_it() -> None:
    stream, made = changed("stuck"), LiveSignals(CONTRACT, ALARM)
    assert run(made, stream, 0, DRIFT + 256)
    made.reset()
    kept = json.loads(json.dumps(made.state()))
    made = LiveSignals(CONTRACT, ALARM)
    made.restore(kept)
    assert made.is_broken
    assert made.faults == {1: "constant"}
    assert run(made, stream, DRIFT + 256, DRIFT + 304) == []
    assert made.is_broken
    assert run(made, stream, DRIFT + 304) == []
    assert not made.is_broken
    # Blocks since the sensor is back, and no other.
    state = made.state()["unlabelled"]["monitor"]
    assert not state["is_quiet"]
    assert state["blocks_of_reference"] == (RECORDS - DRIFT - 320) // 16 - 20


def test_what_sensors_gave_before_the_first_training_tells_that_one_breaks_in_it() -> None:
    stream, made = Stream(), LiveSignals(CONTRACT, ALARM)
    stream.x[:, 0, :12] = 0
    assert not made.knows_sensors
    made.learn_sensors(stream.x[:320])
    assert made.knows_sensors
    # It says nothing of what is so as often, and is no reference yet.
    stream.x[160:320, 1] = 3
    seen = made.see(0, stream.x[:480], stream.p[:480], stream.times[:480])
    (alarm,) = seen.alarms
    assert (alarm.signal, alarm.since_record) == ("input-faults", 160)
    # No further than where it is told.
    assert seen.taken == alarm.record + 1 == 160 + 3 * 16
    assert made.broken_blocks == [(at, at + 16) for at in range(160, seen.taken, 16)]
    assert run(made, stream, seen.taken, 480) == []
    assert len(made.state()["unlabelled"]["monitor"]["training"]) == 0
    assert made.state()["unlabelled"]["monitor"]["blocks_of_reference"] == 0
    # What it has learnt itself is what holds then.
    made.learn_sensors(np.zeros_like(stream.x[:320]))
    run(made, stream, 480, WARM + 320)
    assert made.is_watching
    stream.x[WARM + 320 :, 1] = 3
    assert run(made, stream, WARM + 320)


def test_broken_blocks_are_known_though_not_every_block_is_read() -> None:
    stream, made = Stream(), LiveSignals(CONTRACT, ALARM)
    run(made, stream, 0, DRIFT)
    stream.x[DRIFT + 16 : DRIFT + 32, 1] = 3
    assert run(made, stream, DRIFT, DRIFT + 64) == []
    assert made.broken_blocks == [(DRIFT + 16, DRIFT + 32)]
    run(made, stream, DRIFT + 64, DRIFT + 128)
    assert list(made.broken_blocks) == []
    unwanted = LiveSignals(CONTRACT, ALARM.model_copy(update={"signals": ("inputs",)}))
    run(unwanted, stream, 0, DRIFT + 64)
    assert not unwanted.watches_outages
    assert list(unwanted.broken_blocks) == []


def test_after_a_release_everything_is_learnt_anew() -> None:
    stream, made = changed("gain"), LiveSignals(CONTRACT, ALARM)
    assert run(made, stream)
    made.reset()
    assert not made.is_watching
    more = Stream(1)
    more.x *= 2
    assert run(made, more) == []
    assert made.is_watching


def test_what_is_known_waits_to_be_answered() -> None:
    stream, made = changed("wrong"), LiveSignals(CONTRACT, ALARM)
    run(made, stream, 0, DRIFT)
    made.hush()
    assert run(made, stream, DRIFT) == []


def test_the_budget_is_a_day_of_event_time_over_both_lanes() -> None:
    made, slow = LiveSignals(CONTRACT, ALARM), Stream()
    run(made, slow, 0, WARM + 16)
    lanes = made.state()
    thresholds = {
        name: watch["log_threshold"]
        for lane in ("unlabelled", "labelled")
        for name, watch in lanes[lane]["monitor"]["watches"].items()
    }
    # A record a second: 86,400 of them to a false alarm, of which each of 12 families has a
    # twelfth; a score a block, or a record.
    assert len(made.families) == 12
    assert thresholds["input-bands"] == pytest.approx(np.log(86_400 * 12 / 16), rel=1e-3)
    assert thresholds["error"] == pytest.approx(np.log(86_400 * 12), rel=1e-3)
    assert thresholds["error-of-low"] == pytest.approx(np.log(86_400 * 12 * 2), rel=1e-3)
    # A hundred times as many records a day, and a hundred times as many to a false alarm.
    fast, quick = LiveSignals(CONTRACT, ALARM), Stream()
    quick.times = quick.times / 100
    run(fast, quick, 0, WARM + 16)
    watch = fast.state()["labelled"]["monitor"]["watches"]["error"]
    assert watch["log_threshold"] == pytest.approx(np.log(8_640_000 * 12), rel=1e-3)


def test_a_budget_that_is_changed_holds_from_the_restart_on() -> None:
    made, stream = LiveSignals(CONTRACT, ALARM), changed("gain")
    run(made, stream, 0, WARM + 16)
    kept = json.loads(json.dumps(made.state(), allow_nan=False))
    rarer = LiveSignals(CONTRACT, ALARM.model_copy(update={"per_day": ALARM.per_day / 10}))
    rarer.restore(kept)
    before, after = (
        {
            name: watch["log_threshold"]
            for lane in ("unlabelled", "labelled")
            for name, watch in one.state()[lane]["monitor"]["watches"].items()
        }
        for one in (made, rarer)
    )
    assert after == pytest.approx({name: old + np.log(10) for name, old in before.items()})
    assert rarer.is_watching
    # Nothing else is another.
    back = LiveSignals(CONTRACT, ALARM)
    back.restore(json.loads(json.dumps(rarer.state(), allow_nan=False)))
    assert back.state() == made.state()


def test_the_rate_that_was_reached_is_of_the_time_that_was_watched() -> None:
    made = LiveSignals(CONTRACT, ALARM)
    assert made.alarms_per_day is None
    alarms = run(made, changed("gain"))
    watched = alarms[0].record + 1 - WARM
    # The other lane goes on watching to the end.
    assert made.alarms_per_day == pytest.approx(86_400 / (RECORDS - WARM), rel=0.02)
    assert watched < RECORDS - WARM


def test_a_stream_without_times_has_a_record_a_second() -> None:
    made, stream = LiveSignals(CONTRACT, ALARM), Stream()
    stream.times[:] = 7
    run(made, stream, 0, WARM + 16)
    watch = made.state()["labelled"]["monitor"]["watches"]["error"]
    assert watch["log_threshold"] == pytest.approx(np.log(86_400 * 12), rel=1e-3)
    assert made.alarms_per_day is None


def test_only_what_is_wanted_is_watched_and_many_classes_are_one_family() -> None:
    few = LiveSignals(CONTRACT, AlarmConfig(signals=("outages", "errors")))
    assert few.families == ("error", "input-faults")
    whole = LiveSignals(CONTRACT, ALARM)
    assert whole.family_of("error-of-high") == "error-of-class"
    assert whole.family_of("loss") == "loss"
    many = Contract(
        features=("a",), shape=(1, 16), classes=tuple(map(str, range(MOST_CLASSES + 1)))
    )
    assert "error-of-class" not in LiveSignals(many, ALARM).families


def test_a_state_of_other_signals_or_blocks_begins_anew_and_keeps_its_counts() -> None:
    made = LiveSignals(CONTRACT, ALARM)
    run(made, changed("gain"))
    state = json.loads(json.dumps(made.state()))
    for other in (
        ALARM.model_copy(update={"signals": ("inputs", "errors")}),
        ALARM.model_copy(update={"block_records": 8}),
        ALARM.model_copy(update={"reference_blocks": 100}),
    ):
        again = LiveSignals(CONTRACT, other)
        again.restore(state)
        assert not again.is_watching
        assert again.alarms_per_day == made.alarms_per_day
    made.restore(None)


def test_the_revision_is_another_once_a_block_was_read_or_something_was_learnt_anew() -> None:
    made, stream = LiveSignals(CONTRACT, ALARM), Stream()
    seen = [made.revision]
    run(made, stream, 0, 15)
    assert made.revision == seen[0]
    run(made, stream, 15, 16)
    seen.append(made.revision)
    for change in (made.accept, made.relearn, made.resume, made.reset):
        change()
        seen.append(made.revision)
    made.restore(made.state())
    seen.append(made.revision)
    assert len(set(seen)) == len(seen)


def test_the_state_stays_small() -> None:
    made = LiveSignals(CONTRACT, ALARM)
    run(made, Stream())
    assert len(json.dumps(made.state())) < 200_000
