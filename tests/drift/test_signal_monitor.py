"""The monitor of many signals under one budget."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from adaptd.drift.alarm import Alarm
from adaptd.drift.block import SignalBlock
from adaptd.drift.budget import AlarmBudget
from adaptd.drift.signal_monitor import MonitorSettings, SignalMonitor
from adaptd.drift.signals import answer_signals, input_signals, label_signals, output_signals

CLASSES = tuple(map(str, range(10)))
SETTINGS = MonitorSettings(training_blocks=20, reference_blocks=80)
Tones = Callable[..., list[SignalBlock]]


def _monitor(settings: MonitorSettings = SETTINGS, *, with_model: bool = False) -> SignalMonitor:
    signals = [*input_signals(), *label_signals(CLASSES)]
    if with_model:
        signals += [*output_signals(10), *answer_signals(CLASSES)]
    return SignalMonitor(signals, settings)


def _answered(blocks: list[SignalBlock], *, worse_from: int | None = None) -> list[SignalBlock]:
    """With a model that is right nine times in ten, later four times, as confident as ever."""
    found = []
    for number, block in enumerate(blocks):
        assert block.target is not None
        randomness = np.random.default_rng([number, 7])
        is_right = randomness.random(len(block)) < (
            0.4 if worse_from is not None and number >= worse_from else 0.9
        )
        said = np.where(is_right, block.target, (block.target + 1) % 10)
        probabilities = np.full((len(block), 10), 0.01)
        probabilities[np.arange(len(block)), said] = 0.91 - 0.05 * randomness.random(len(block))
        found.append(
            replace(
                block,
                probabilities=probabilities,
                hits=is_right,
                losses=-np.log(probabilities[np.arange(len(block)), block.target]),
            )
        )
    return found


def _alarms(monitor: SignalMonitor, blocks: list[SignalBlock]) -> list[Alarm]:
    return [alarm for block in blocks for alarm in monitor.update(block)]


@pytest.mark.slow
def test_a_stationary_stream_raises_no_alarm(tones: Tones) -> None:
    # 10 streams of 200 watched blocks are 64,000 records; at one false alarm per million at most,
    # one of them alarms with a probability below 0.07, and the seeds are fixed.
    settings = replace(SETTINGS, budget=AlarmBudget(1.0))
    for seed in range(10):
        assert _alarms(_monitor(settings), tones(seed, 300)) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_gain_is_seen_within_eight_blocks_and_dated_within_one(tones: Tones, seed: int) -> None:
    blocks = tones(seed, 160, change_at=140, change=lambda x, _: 1.4 * x)
    alarms = _alarms(_monitor(), blocks)
    assert alarms
    assert {alarm.signal for alarm in alarms} <= {
        "input-moments", "input-psi", "input-components", "input-bands",
    }  # fmt: skip
    assert 140 * 32 <= alarms[0].record < 148 * 32
    assert all(abs(alarm.since_record - 140 * 32) <= 32 for alarm in alarms)


def test_one_alarm_then_quiet_until_it_is_resumed_or_reset(tones: Tones) -> None:
    blocks = tones(0, 400, change_at=140, change=lambda x, _: 1.6 * x)
    monitor = _monitor()
    raised = _alarms(monitor, blocks[:200])
    assert len({alarm.record for alarm in raised}) == 1
    assert monitor.is_quiet
    assert any(reading.is_above for reading in monitor.readings.values())
    monitor.resume()
    assert not monitor.readings
    assert _alarms(monitor, blocks[200:210]), "the gain is still there"
    monitor.reset()
    assert not monitor.is_watching
    assert _alarms(monitor, blocks[210:]) == [], "the gain is what is ordinary now"
    assert monitor.report()["alarms"] == 2


def test_errors_are_seen_while_confidence_stays(tones: Tones) -> None:
    blocks = _answered(tones(1, 150), worse_from=130)
    alarms = _alarms(_monitor(with_model=True), blocks)
    assert {"error", "loss"} & {alarm.signal for alarm in alarms}
    assert 130 * 32 <= alarms[0].record < 134 * 32


def test_a_broken_channel_is_shown_to_its_own_signal_only(tones: Tones) -> None:
    blocks = tones(2, 300, change_at=140, change=lambda x, _: np.full_like(x, 3.0))
    whole = tones(2, 300)
    monitor = _monitor()
    alarms = _alarms(monitor, blocks[:150])
    assert [alarm.signal for alarm in alarms] == ["input-faults"]
    assert monitor.is_broken
    monitor.resume()
    # Nothing was learnt from it: the ordinary blocks that follow are ordinary.
    assert _alarms(monitor, whole[150:]) == []
    assert not monitor.is_broken


def test_a_sensor_that_breaks_while_the_monitor_is_quiet_is_told(tones: Tones) -> None:
    blocks = tones(2, 200, change_at=130, change=lambda x, _: 1.6 * x)
    monitor = _monitor(replace(SETTINGS, stride_blocks=4))
    (first, *_) = _alarms(monitor, blocks[:150])
    assert first.signal != "input-faults"
    dead = [replace(block, x=0 * block.x) for block in blocks[150:170]]
    (alarm,) = _alarms(monitor, dead)
    assert alarm.signal == "input-faults"
    assert monitor.is_broken
    assert 150 * 32 <= alarm.since_record <= 153 * 32
    assert alarm.record <= 156 * 32
    assert _alarms(monitor, blocks[170:]) == [], "the gain is known, and the channel is back"
    assert not monitor.is_broken


def test_an_outage_that_is_shorter_than_the_stride_is_told(tones: Tones) -> None:
    blocks = tones(2, 160)
    monitor = _monitor(replace(SETTINGS, stride_blocks=16))
    assert _alarms(monitor, blocks[:120]) == []
    # Blocks 100, 116 and 132 are read.
    dead = [replace(block, x=np.full_like(block.x, 3.0)) for block in blocks[120:126]]
    (alarm,) = _alarms(monitor, dead)
    assert (alarm.signal, alarm.since_record) == ("input-faults", 120 * 32)
    assert alarm.record == 123 * 32 - 1
    monitor.resume()
    assert _alarms(monitor, blocks[126:]) == []


def test_an_outage_in_the_reference_is_told_and_not_learnt(tones: Tones) -> None:
    blocks = tones(2, 160)
    dead = [replace(block, x=np.full_like(block.x, 3.0)) for block in blocks[30:70]]
    monitor = _monitor()
    (alarm,) = _alarms(monitor, [*blocks[:30], *dead])
    assert (alarm.signal, alarm.since_record) == ("input-faults", 30 * 32)
    assert alarm.record == 33 * 32 - 1
    assert monitor.is_broken
    assert monitor.is_quiet
    monitor.resume()
    assert _alarms(monitor, blocks[70:139]) == []
    assert not monitor.is_watching, "80 blocks, of which 10 came before"
    assert _alarms(monitor, blocks[139:141]) == []
    assert monitor.is_watching
    assert monitor.is_exchangeable


def test_what_it_relearns_is_of_sensors_that_work(tones: Tones) -> None:
    blocks = tones(3, 260)
    dead = [replace(block, x=np.full_like(block.x, 3.0)) for block in blocks[100:120]]
    monitor = _monitor()
    _alarms(monitor, blocks[:100])
    monitor.reset()
    assert {alarm.signal for alarm in _alarms(monitor, dead)} == {"input-faults"}
    assert monitor.is_broken
    monitor.resume()
    assert _alarms(monitor, blocks[120:221]) == []
    assert monitor.is_watching
    assert {alarm.signal for alarm in _alarms(monitor, dead)} == {"input-faults"}


@pytest.mark.parametrize("break_at", [34, 90, 130])
def test_a_monitor_restored_in_an_outage_goes_on_as_the_first_one_does(
    tones: Tones, break_at: int
) -> None:
    blocks = tones(3, 160, change_at=110, change=lambda x, _: x + 0.9)
    for place in range(break_at, break_at + 8):
        blocks[place] = replace(blocks[place], x=np.zeros_like(blocks[place].x))
    settings = replace(SETTINGS, stride_blocks=2)
    straight = _monitor(settings)
    expected = _alarms(straight, blocks)
    assert "input-faults" in {alarm.signal for alarm in expected}
    for cut in range(break_at - 1, break_at + 10):
        first, second = _monitor(settings), _monitor(settings)
        found = _alarms(first, blocks[:cut])
        second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
        assert found + _alarms(second, blocks[cut:]) == expected
        assert second.state() == straight.state()


def test_a_restored_monitor_goes_on_as_the_first_one_does(tones: Tones) -> None:
    blocks = _answered(tones(3, 160, change_at=120, change=lambda x, _: x + 0.4))
    straight = _monitor(with_model=True)
    expected = _alarms(straight, blocks)
    assert expected
    for cut in (0, 13, 20, 77, 100, 121, 122, 150):
        first, second = _monitor(with_model=True), _monitor(with_model=True)
        found = _alarms(first, blocks[:cut])
        second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
        assert found + _alarms(second, blocks[cut:]) == expected
        assert second.state() == straight.state()


def test_the_budget_is_shared_and_reported(tones: Tones) -> None:
    monitor = _monitor(replace(SETTINGS, budget=AlarmBudget(2.0, "day")))
    _alarms(monitor, tones(4, 101))
    report = monitor.report()
    # A record a second.
    assert report["records_between_false_alarms"] == pytest.approx(43_200, rel=0.01)
    signals = report["signals"]
    assert len(signals) == 6
    # Each family has a sixth of the budget, and sees a score every 32 records.
    assert signals["input-bands"]["log_threshold"] == pytest.approx(
        np.log(43_200 * 6 / 32), rel=0.01
    )
    assert report["watched_records"] == 32


@pytest.mark.parametrize("at", [0, 99])
def test_one_record_that_is_dated_ahead_leaves_the_budget_as_it_is(tones: Tones, at: int) -> None:
    blocks = tones(4, 101)
    times = blocks[at].times
    assert times is not None
    times[-1 if at else 0] += 3_600 if at else -3_600
    monitor = _monitor(replace(SETTINGS, budget=AlarmBudget(2.0, "day")))
    _alarms(monitor, blocks)
    between = monitor.report()["records_between_false_alarms"]
    assert between == pytest.approx(43_200, rel=0.01)


def test_persistence_waits_for_more_blocks_in_a_row(tones: Tones) -> None:
    blocks = tones(5, 160, change_at=120, change=lambda x, _: 1.5 * x)
    prompt = _alarms(_monitor(), blocks)[0].record
    patient = _alarms(_monitor(replace(SETTINGS, persistence_blocks=4)), blocks)[0].record
    assert patient == prompt + 3 * 32


def test_a_reference_whose_records_depend_on_each_other_raises_the_threshold(tones: Tones) -> None:
    blocks = tones(6, 300)
    # A level that wanders slowly, in the reference and after it.
    level = np.cumsum(np.random.default_rng(0).normal(0, 0.15, len(blocks)))
    wandering = [
        replace(block, x=block.x + np.float32(one))
        for block, one in zip(blocks, level, strict=True)
    ]
    monitor = _monitor()
    _alarms(monitor, wandering[:100])
    signals = monitor.report()["signals"]
    assert not signals["input-moments"]["is_exchangeable"]
    assert signals["input-moments"]["log_threshold"] > signals["label-classes"]["log_threshold"]


def test_what_the_records_lack_is_left_out_and_other_blocks_are_refused() -> None:
    randomness = np.random.default_rng(0)
    monitor = _monitor(MonitorSettings(training_blocks=4, reference_blocks=4))
    for number in range(8):
        x = randomness.standard_normal((32, 3)).astype(np.float32)
        monitor.update(SignalBlock(32 * number, x))
    assert set(monitor.report()["left_out"]) == {"input-bands", "label-classes"}
    with pytest.raises(ValueError, match="blocks of 32"):
        monitor.update(SignalBlock(256, np.zeros((8, 3), np.float32)))
    with pytest.raises(ValueError, match="names of their own"):
        SignalMonitor([*input_signals(), *input_signals()], SETTINGS)
