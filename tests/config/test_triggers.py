"""What holds triggers back, as it is configured."""

import pytest
from pydantic import ValidationError

from adaptd.config import ScheduleConfig, TriggersConfig


def test_nothing_holds_triggers_back_unless_it_is_asked_for() -> None:
    config = TriggersConfig()
    assert (config.cool_down_seconds, config.hours, config.compute_seconds_per_day) == (0, (), None)


@pytest.mark.parametrize("name", ["Mars/Olympus", "America", "", "../UTC"])
def test_a_zone_that_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="expected a time zone"):
        TriggersConfig(timezone=name)
    with pytest.raises(ValidationError, match="expected a time zone"):
        ScheduleConfig(timezone=name)


def test_quiet_hours_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="leave some of the day"):
        TriggersConfig(quiet_hours=("00:00-12:00", "12:00-00:00"))


def test_quiet_hours_that_are_none_are_refused_by_their_place() -> None:
    with pytest.raises(ValidationError) as caught:
        TriggersConfig(quiet_hours=("22:00-06:00", "noon"))
    (fault,) = caught.value.errors()
    assert fault["loc"] == ("quiet_hours", 1)
    assert "HH:MM-HH:MM" in fault["msg"]


def test_hours_and_zone_are_read() -> None:
    config = TriggersConfig(quiet_hours=("22:00-06:00",), timezone="Europe/Berlin")
    assert [str(one.begin) for one in config.hours] == ["22:00:00"]
    assert config.zone.key == "Europe/Berlin"
