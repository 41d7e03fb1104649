"""Where events and records that do not fit are sent."""

from pydantic import Field

from adaptd.config.section import Section


class PublishConfig(Section):
    """Where events go, for Kafka: a topic for each kind. Others go to a file."""

    topic: str | None = Field(
        default=None, description="of release events; None: <source topic>.releases"
    )
    drift_topic: str | None = Field(
        default=None, description="of drift alarms; None: <source topic>.drift"
    )
    proposals_topic: str | None = Field(
        default=None,
        description="of proposals and what becomes of them; None: <source topic>.proposals",
    )
    watches_topic: str | None = Field(
        default=None,
        description="of watches over fresh releases and how they end; None: <source topic>.watches",
    )


class RejectConfig(Section):
    """What becomes of records that do not fit the schema. Each is counted by its reason and set
    aside with its bytes: in a topic, or in a file of the state directory."""

    topic: str | None = Field(
        default=None,
        description="Kafka topic they are sent to, for Kafka; None: <source topic>.dead-letters",
    )
    maximum_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="more bad ones among the latest stop the stream: then the schema is wrong",
    )
    window_records: int = Field(default=1_000, ge=1, description="how many the latest are")
