"""Several processes that share the streams of one store."""

from pydantic import Field

from adaptd.config.section import Section


class MembersConfig(Section):
    """This process as one of several with the same streams and the same store: each stream is
    worked on by one of them, its owner, and the others stand by. They find each other as members of
    the consumer group that `source.group` names."""

    session_seconds: float = Field(
        default=45.0,
        ge=1,
        le=1_800,
        description="a member that the broker has not heard of for so long is taken for gone, and "
        "its streams go to others; brokers allow 6 to 1,800 unless told otherwise",
    )
    instance: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]{1,249}$",
        description="a name of this member alone that outlasts restarts, such as a pod's: who is "
        "back within session_seconds has its streams again, and until then nobody else has. None: "
        "others take over at once where it stops",
    )
