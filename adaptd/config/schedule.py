"""The periodic trigger."""

from pydantic import Field, ValidationInfo, field_validator

from adaptd.config.crontab import FIELDS, cron_trigger
from adaptd.config.section import Section
from adaptd.config.zone import ZoneName


class ScheduleConfig(Section):
    """A periodic trigger beside the drift trigger: every so many seconds, or by cron, not both."""

    every_seconds: float | None = Field(default=None, gt=0)
    timezone: ZoneName = Field(
        default="UTC",
        description="of cron. In a zone with summer time, a time that the clocks skip comes an "
        "hour later by the new time, and one that they repeat comes twice",
    )
    cron: str | None = Field(
        default=None,
        description="five fields; weekdays 0 to 7, where 0 and 7 are Sunday, or by name. A day of "
        "the month and a weekday must both hold",
    )
    misfire_grace_seconds: int | None = Field(
        default=None,
        ge=1,
        description="a run that is late by more, because the daemon was down or the machine "
        "asleep, is left out. None: however late, it is caught up, once",
    )

    @field_validator("cron")
    @classmethod
    def _is_crontab(cls, cron: str | None, info: ValidationInfo) -> str | None:
        if cron is None:
            return None
        if info.data.get("every_seconds") is not None:
            raise ValueError("give every_seconds or cron, not both")
        expected = "expected the five fields of crontab(5)"
        if len(cron.split()) != FIELDS:
            raise ValueError(expected)
        try:
            cron_trigger(cron, info.data.get("timezone", "UTC"))
        except ValueError as error:
            raise ValueError(f"{expected}: {error}") from error
        return cron
