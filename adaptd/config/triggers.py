"""What holds triggers back."""

from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from adaptd.config.fault import at_key
from adaptd.config.quiet_hours import QuietHours, covers_a_day
from adaptd.config.section import Section
from adaptd.config.zone import ZoneName


class TriggersConfig(Section):
    """When a trigger has to wait. It is not lost: it begins its episode as soon as nothing holds
    it. An episode that runs is never interrupted."""

    cool_down_seconds: float = Field(
        default=0,
        ge=0,
        description="of the records' time, after an episode's end, in which neither a drift nor "
        "the schedule begins another; a person's request does",
    )
    quiet_hours: tuple[str, ...] = Field(
        default=(),
        description='such as "22:00-06:00": times of the day in which no episode begins, for '
        "whatever reason",
    )
    timezone: ZoneName = Field(default="UTC", description="of the quiet hours")
    compute_seconds_per_day: float | None = Field(
        default=None,
        gt=0,
        description="processor seconds of the stream's workers, those that failed too; once they "
        "are used, no episode begins before the next day (UTC), unless a person asks for one over "
        "the budget. None: no limit",
    )

    @field_validator("quiet_hours")
    @classmethod
    def _leave_some_time(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        hours = []
        for number, text in enumerate(texts):
            try:
                hours.append(QuietHours.parse(text))
            except ValueError as error:
                raise at_key(str(number), text, str(error)) from error
        if covers_a_day(hours):
            raise ValueError("expected hours that leave some of the day, or nothing ever begins")
        return texts

    @property
    def hours(self) -> tuple[QuietHours, ...]:
        """`quiet_hours`, read."""
        return tuple(map(QuietHours.parse, self.quiet_hours))

    @property
    def zone(self) -> ZoneInfo:
        """`timezone`, read."""
        return ZoneInfo(self.timezone)
