"""The tables. What concerns a stream says which; documents are canonical JSON; times are UTC."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)

from adaptd.errors import StateDirectoryError
from adaptd.store.directory import RESTORE


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as ISO 8601 text in UTC to the microsecond: it sorts as time does."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time needs its zone, got {value!r}")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else datetime.fromisoformat(value)


class Document(TypeDecorator[Any]):
    """Plain JSON with sorted keys: equal documents are equal text. No NaN and no infinity."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        del dialect
        if value is None:
            return None
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
        )

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        del dialect
        try:
            return None if value is None else json.loads(value)
        except ValueError as error:
            # SQLite keeps no checksums: it gives out what stands there.
            raise StateDirectoryError(
                f"the database is damaged: a document in it is no JSON: {error}; {RESTORE}"
            ) from error


class Words(TypeDecorator[str]):
    """Text of others, which may hold anything: PostgreSQL takes no NUL, so there it is kept as two
    characters that mean it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return value
        return value.replace("\x01", "\x011").replace("\x00", "\x010")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return value
        return value.replace("\x010", "\x00").replace("\x011", "\x01")


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a document holds plain values, got {type(value).__name__}: {value!r}")


STREAM = String(63)
DIGEST = String(64)
ULID = String(26)
# SQLite numbers rows by itself only where the type is INTEGER, which holds 64 bits there.
SERIAL = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

configurations = Table(
    "configurations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("document", Document, nullable=False),
    Column("accepted_at", Instant, nullable=False),
)

epochs = Table(
    "epochs",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("owner", String(255), nullable=False),
    Column("acquired_at", Instant, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("document", Document, nullable=False),
    Column("positions", Document, nullable=False),
    Column("next_record", BigInteger, nullable=False),
    Column("saved_at", Instant, nullable=False),
    Column("shown", Document),
)

segments = Table(
    "segments",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("first_record", BigInteger, primary_key=True),
    Column("records", Integer, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("path", Text, nullable=False),
)

episodes = Table(
    "episodes",
    metadata,
    Column("id", ULID, primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("trigger", Document, nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcome", String(16)),
    Column("reason", Words),
    Column("plan", Document, nullable=False),
    Column("result", Document, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Index("ix_episodes_stream_opened_at", "stream", "opened_at"),
    # One episode at a time per stream, whoever opens it.
    Index(
        "uq_episodes_active",
        "stream",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

releases = Table(
    "releases",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("number", Integer, nullable=False),
    Column("parent", DIGEST, ForeignKey("releases.digest")),
    Column("architecture", Document, nullable=False),
    Column("contract", Document, nullable=False),
    Column("episode_id", ULID, ForeignKey("episodes.id")),
    Column("path", Text, nullable=False),
    Column("macs", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("uq_releases_stream_number", "stream", "number", unique=True),
)

champions = Table(
    "champions",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("digest", DIGEST, ForeignKey("releases.digest"), nullable=False),
    Column("moved_at", Instant, nullable=False),
)

concentrations = Table(
    "concentrations",
    metadata,
    Column("release_digest", DIGEST, ForeignKey("releases.digest"), primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("counts", Document, nullable=False),
    Column("saved_at", Instant, nullable=False),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", ULID, primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("episode_id", ULID, ForeignKey("episodes.id"), nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("champion_digest", DIGEST, nullable=False),
    Column("state", String(16), nullable=False),
    Column("evidence", Document, nullable=False),
    Column("created_record", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Index("ix_proposals_stream_state", "stream", "state"),
    Index(
        "uq_proposals_awaiting",
        "stream",
        unique=True,
        sqlite_where=text("state = 'awaiting'"),
        postgresql_where=text("state = 'awaiting'"),
    ),
)

# Append-only: the first migration adds triggers that refuse UPDATE and DELETE.
decisions = Table(
    "decisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("proposal_id", ULID, ForeignKey("proposals.id"), nullable=False, unique=True),
    Column("stream", STREAM, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("comment", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("previous_hash", DIGEST, nullable=False),
    Column("hash", DIGEST, nullable=False),
    Index("ix_decisions_stream", "stream"),
)

# Tests are numbered from 1 within a stream; each is of an episode, which has one of a kind at most.
spendings = Table(
    "spendings",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("test", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("episode_id", ULID, ForeignKey("episodes.id"), nullable=False),
    Column("alpha", Float, nullable=False),
    Column("at", Instant, nullable=False),
    UniqueConstraint("episode_id", "kind"),
)

# An episode has one or two, or three where it tried earlier releases first. `end_record` and what
# follows it are there once it has ended.
trials = Table(
    "trials",
    metadata,
    Column("episode_id", ULID, ForeignKey("episodes.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("stream", STREAM, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("terms", Document, nullable=False),
    Column("members", Document, nullable=False),
    Column("made_by", Document, nullable=False),
    Column("first_record", BigInteger, nullable=False),
    Column("end_record", BigInteger),
    Column("counted", Document),
    Column("evidence", Document),
    Column("begun_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("ix_trials_stream_begun_at", "stream", "begun_at"),
)

# Segments that have left the window and are kept, since an episode's trial has counted records of
# them.
pins = Table(
    "pins",
    metadata,
    Column("episode_id", ULID, ForeignKey("episodes.id"), primary_key=True),
    Column("first_record", BigInteger, primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("records", Integer, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("path", Text, nullable=False),
    Index("ix_pins_stream", "stream"),
)

# Samples of old concepts, each of a model that was champion while it lasted. A model is known by
# its weights: a release that is brought back has the concept that it had.
reservoir = Table(
    "reservoir",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("weights", DIGEST, primary_key=True),
    Column("release", Integer, nullable=False),
    Column("first_record", BigInteger, nullable=False),
    Column("end_record", BigInteger, nullable=False),
    Column("offered", BigInteger, nullable=False),
    Column("accuracy", Float, nullable=False),
    Column("records", Integer, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("path", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# A watch is of a release and of its predecessor; rollback_digest: the release that it ended with.
watches = Table(
    "watches",
    metadata,
    Column("release_digest", DIGEST, ForeignKey("releases.digest"), primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("predecessor_digest", DIGEST, ForeignKey("releases.digest"), nullable=False),
    Column("evidence", Document, nullable=False),
    Column("outcome", String(16)),
    Column("reason", Text),
    Column("rollback_digest", DIGEST, ForeignKey("releases.digest")),
    Column("begun_at", Instant, nullable=False),
    Column("ended_at", Instant),
    # A stream has one champion, and so one watch at a time.
    Index(
        "uq_watches_running",
        "stream",
        unique=True,
        sqlite_where=text("outcome IS NULL"),
        postgresql_where=text("outcome IS NULL"),
    ),
)

# No foreign key to releases: it would be looked up for every block, and releases are never deleted.
scores = Table(
    "scores",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("first_record", BigInteger, primary_key=True),
    Column("block", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("hits", Integer, nullable=False),
    Column("loss", Float, nullable=False),
    Column("release_digest", DIGEST, nullable=False),
    Column("at", Instant, nullable=False),
    Column("is_broken", Boolean, nullable=False, server_default=false()),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", ULID, primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("signal", String(64), nullable=False),
    Column("record", BigInteger, nullable=False),
    Column("since_record", BigInteger, nullable=False),
    Column("statistic", Float, nullable=False),
    Column("at", Instant, nullable=False),
    Column("numbering", String(8), nullable=False, server_default="labelled"),
    Index("ix_alarms_stream_record", "stream", "record"),
)

progress = Table(
    "progress",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("episode_id", ULID),
    Column("document", Document, nullable=False),
    Column("at", Instant, nullable=False),
)

schedules = Table(
    "schedules",
    metadata,
    Column("stream", STREAM, primary_key=True),
    # None before the first run.
    Column("last_run", Instant),
    Column("next_due", Instant),
    # What `next_due` was reckoned from: another timing is another schedule.
    Column("timing", Text),
)

# What operators have asked for. Only ever added to, but for the episode that has answered.
requests = Table(
    "requests",
    metadata,
    Column("id", ULID, primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("is_over_budget", Boolean, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("episode_id", ULID, ForeignKey("episodes.id")),
    Index("ix_requests_stream_episode", "stream", "episode_id"),
)

# What a person sees of the triggers that wait; the daemon goes on from its checkpoint.
waits = Table(
    "waits",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("trigger", Document, nullable=False),
    Column("since", Instant, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("until", Instant),
    Column("until_time", Float),
)

# Processor seconds of a stream's workers, by the day (UTC) on which they were counted.
usage = Table(
    "usage",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("cpu_seconds", Float, nullable=False),
)

# `number` and not the id gives the order: ids do not sort when the clock is set back.
outbox = Table(
    "outbox",
    metadata,
    Column("number", SERIAL, primary_key=True),
    Column("id", ULID, nullable=False, unique=True),
    Column("stream", STREAM, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("document", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Index(
        "ix_outbox_pending",
        "number",
        sqlite_where=text("sent_at IS NULL"),
        postgresql_where=text("sent_at IS NULL"),
    ),
)

# The latest ones, to look at, and all that wait for delivery; dead_letter_counts has the totals.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("number", SERIAL, primary_key=True),
    Column("stream", STREAM, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("detail", Words, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("at", Instant, nullable=False),
    Column("sent_at", Instant),
    # Which of the stream's topics it came from: records or labels.
    Column("origin", String(16), nullable=False, server_default="records"),
    Index("ix_dead_letters_stream_number", "stream", "number"),
    Index(
        "ix_dead_letters_pending",
        "stream",
        "number",
        sqlite_where=text("sent_at IS NULL"),
        postgresql_where=text("sent_at IS NULL"),
    ),
)

dead_letter_counts = Table(
    "dead_letter_counts",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("reason", String(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# Records that wait for their labels with what was predicted of them, labels that wait for their
# records, and the ids of both that have met. `time` is the half's own, `since` what the records'
# time had come to when it came, both in POSIX seconds.
join_rows = Table(
    "join_rows",
    metadata,
    Column("stream", STREAM, primary_key=True),
    Column("id", Words, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),
    Column("time", Float, nullable=False),
    Column("since", Float, nullable=False),
    Column("target", Integer),
    Column("partition", Integer),
    Column("offset", BigInteger),
    Column("ingested_at", Float),
    Column("x", LargeBinary),
    Column("predictors", Document),
    Column("predictions", LargeBinary),
    Column("weight", Float),
    Index("ix_join_rows_stream_number", "stream", "number"),
    Index("ix_join_rows_stream_since", "stream", "since"),
)
