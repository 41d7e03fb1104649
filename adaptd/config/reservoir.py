"""What is kept of concepts that a drift has ended."""

from pydantic import Field

from adaptd.config.section import Section


class ReservoirConfig(Section):
    """A sample of the labelled records that each champion answered well, drawn when a drift ends
    its time."""

    records: int = Field(
        default=400,
        ge=2,
        le=100_000,
        description="of each concept; on one half of them episodes measure what is forgotten, the "
        "other half may be trained on again",
    )
    concepts: int = Field(
        default=5,
        ge=0,
        le=1_000,
        description="the latest ones are kept; 0: none, and nothing says what is forgotten",
    )
