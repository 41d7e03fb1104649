"""Labels that come apart from their records."""

from pydantic import Field, ValidationInfo, field_validator

from adaptd.config.fault import at_variance
from adaptd.config.section import Section


class LabelsConfig(Section):
    """Labels come later than their records, by themselves, and are joined with them by id.

    A record is predicted when it comes, and judged by that prediction when its label does. It
    counts, is trained on and has a number from then on.
    """

    topic: str | None = Field(
        default=None,
        description='Kafka topic of {"id": …, "target": class, "time"?: …}, for Kafka, in the '
        "cluster of the records",
    )
    delay_records: int | None = Field(
        default=None,
        gt=0,
        description="of a recorded or generated stream: each label comes so many records after its "
        "record, to try out what a delay does",
    )
    wait_seconds: float = Field(
        default=86_400,
        gt=0,
        description="of the records' time: how long a record waits for its label, a label for its "
        "record, and how long an id is remembered to know what comes twice",
    )
    maximum_records: int = Field(
        default=1_000_000,
        ge=1,
        validate_default=True,
        description="ids held in the store in all; beyond it the oldest are given up",
    )
    memory_records: int = Field(
        default=100_000, ge=1, description="ids held in memory; older ones only in the store"
    )

    @field_validator("maximum_records")
    @classmethod
    def _holds_the_delay(cls, maximum: int, info: ValidationInfo) -> int:
        delay = info.data.get("delay_records")
        if delay is not None and maximum < 2 * delay:
            raise at_variance("labels.delay_records, twice", 2 * delay)
        return maximum
