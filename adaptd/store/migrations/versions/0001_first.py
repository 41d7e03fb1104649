"""The first tables, and the triggers that keep the decisions append-only."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("signal", sa.String(length=64), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("since_record", sa.BigInteger(), nullable=False),
        sa.Column("statistic", sa.Float(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index("ix_alarms_stream_record", "alarms", ["stream", "record"], unique=False)
    op.create_table(
        "checkpoints",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("positions", sa.Text(), nullable=False),
        sa.Column("next_record", sa.BigInteger(), nullable=False),
        sa.Column("saved_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "configurations",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_configurations")),
    )
    op.create_table(
        "dead_letter_counts",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "reason", name=op.f("pk_dead_letter_counts")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_dead_letters")),
    )
    op.create_index(
        "ix_dead_letters_stream_number", "dead_letters", ["stream", "number"], unique=False
    )
    op.create_table(
        "episodes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.String(length=32), nullable=False),
        sa.Column("updated_at", sa.String(length=32), nullable=False),
        sa.Column("closed_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_episodes")),
    )
    op.create_index(
        "ix_episodes_stream_opened_at", "episodes", ["stream", "opened_at"], unique=False
    )
    op.create_index(
        "uq_episodes_active",
        "episodes",
        ["stream"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "epochs",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("acquired_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_epochs")),
    )
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("sent_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_outbox_id")),
    )
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["number"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.create_table(
        "progress",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("episode_id", sa.String(length=26), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_progress")),
    )
    op.create_table(
        "schedules",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("last_run", sa.String(length=32), nullable=False),
        sa.Column("next_due", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_schedules")),
    )
    op.create_table(
        "scores",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("first_record", sa.BigInteger(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Float(), nullable=False),
        sa.Column("release_digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("stream", "first_record", name=op.f("pk_scores")),
    )
    op.create_table(
        "segments",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("first_record", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "first_record", name=op.f("pk_segments")),
    )
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("episode_id", sa.String(length=26), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("champion_digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("created_record", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("settled_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.id"], name=op.f("fk_proposals_episode_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index("ix_proposals_stream_state", "proposals", ["stream", "state"], unique=False)
    op.create_index(
        "uq_proposals_awaiting",
        "proposals",
        ["stream"],
        unique=True,
        sqlite_where=sa.text("state = 'awaiting'"),
        postgresql_where=sa.text("state = 'awaiting'"),
    )
    op.create_table(
        "releases",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=True),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("contract", sa.Text(), nullable=False),
        sa.Column("episode_id", sa.String(length=26), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("macs", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.id"], name=op.f("fk_releases_episode_id")
        ),
        sa.ForeignKeyConstraint(["parent"], ["releases.digest"], name=op.f("fk_releases_parent")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_releases")),
    )
    op.create_index("uq_releases_stream_number", "releases", ["stream", "number"], unique=True)
    op.create_table(
        "champions",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("moved_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["releases.digest"], name=op.f("fk_champions_digest")),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_champions")),
    )
    op.create_table(
        "concentrations",
        sa.Column("release_digest", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_digest"], ["releases.digest"], name=op.f("fk_concentrations_release_digest")
        ),
        sa.PrimaryKeyConstraint("release_digest", name=op.f("pk_concentrations")),
    )
    op.create_table(
        "decisions",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("proposal_id", sa.String(length=26), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["proposal_id"], ["proposals.id"], name=op.f("fk_decisions_proposal_id")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_decisions")),
        sa.UniqueConstraint("proposal_id", name=op.f("uq_decisions_proposal_id")),
    )
    op.create_index("ix_decisions_stream", "decisions", ["stream"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE OR REPLACE FUNCTION decisions_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'decisions are append-only' "
            "USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        for action in ("UPDATE", "DELETE", "TRUNCATE"):
            op.execute(
                f"CREATE TRIGGER decisions_refuse_{action.lower()} BEFORE {action} ON decisions "
                "FOR EACH STATEMENT EXECUTE FUNCTION decisions_refuse()"
            )
        return
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER decisions_refuse_{action.lower()} BEFORE {action} ON decisions "
            "BEGIN SELECT RAISE(ABORT, 'decisions are append-only'); END"
        )
