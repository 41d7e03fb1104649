"""The watch over a fresh release."""

from pydantic import Field, field_validator

from adaptd.config.fault import at_least
from adaptd.config.section import Section


class WatchConfig(Section):
    """The release before goes on predicting beside a fresh one, on the same records. Where it is
    proved better after all, it is released again, at once."""

    enabled: bool = Field(
        default=True, description="false: a release stays until the next one, however it does"
    )
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="bound on the chance that this stream ever goes back from a release that is "
        "not worse: a watch that is the stream's n-th test spends 1 / (n (n + 1)) of it",
    )
    minimum_records: int = Field(
        default=400, ge=1, description="seen before a release is called worse"
    )
    maximum_records: int = Field(
        default=6_000,
        ge=1,
        validate_default=True,
        description="after them the watch ends, and the release before predicts no longer",
    )

    _holds_minimum = field_validator("maximum_records")(at_least("minimum_records", of="watch"))
