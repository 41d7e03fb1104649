import json
from dataclasses import dataclass

import numpy as np

from adaptd.config import AlarmConfig
from adaptd.drift.alarm import Alarm
from adaptd.drift.monitor import SIGNALS, Monitor

CONFIG = AlarmConfig(block_records=32, delta=0.002, warm_up_blocks=10)


@dataclass(frozen=True)
class Block:
    first_record: int
    loss: float


def feed(monitor: Monitor, losses: list[float], *, first_block: int = 0) -> list[Alarm]:
    return [
        alarm
        for number, loss in enumerate(losses, start=first_block)
        for alarm in monitor.update(Block(number * 32, loss), np.ones(32, bool))
    ]


def test_one_alarm_then_quiet_although_the_loss_rises_on() -> None:
    monitor = Monitor(CONFIG)
    alarms = feed(monitor, [0.1] * 20 + [1.5] * 20 + [4.0] * 20)
    assert len(alarms) == 1
    assert alarms[0].signal in SIGNALS
    assert alarms[0].since_record == 20 * 32
    assert monitor.is_quiet


def test_after_reset_the_new_level_is_the_reference_and_a_further_rise_alarms_again() -> None:
    monitor = Monitor(CONFIG)
    feed(monitor, [0.1] * 20 + [1.5] * 10)
    monitor.reset()
    assert not monitor.is_quiet
    assert feed(monitor, [1.5] * 20, first_block=30) == []
    (alarm,) = feed(monitor, [4.0] * 20, first_block=50)
    assert alarm.since_record == 50 * 32


def test_no_alarm_within_the_warm_up_after_each_reset() -> None:
    monitor = Monitor(AlarmConfig(block_records=32, delta=0.002, warm_up_blocks=40))
    for start in (0, 100):
        monitor.reset()
        assert feed(monitor, [0.1] * 20 + [4.0] * 20, first_block=start) == []
        (alarm,) = feed(monitor, [4.0], first_block=start + 40)
        assert alarm.since_record == (start + 20) * 32


def test_restore_keeps_the_reference_and_the_quiet() -> None:
    losses = [0.1] * 20 + [4.0] * 20
    expected = feed(Monitor(CONFIG), losses)
    assert len(expected) == 1
    for cut in range(0, 41, 2):
        first, second = Monitor(CONFIG), Monitor(CONFIG)
        found = feed(first, losses[:cut])
        second.restore(json.loads(json.dumps(first.state())))
        assert second.is_quiet == first.is_quiet
        assert found + feed(second, losses[cut:], first_block=cut) == expected
