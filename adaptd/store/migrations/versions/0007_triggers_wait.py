"""Operators' requests, the queue of triggers as a person sees it, compute by the day; and a
schedule has no last run before its first one."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_over_budget", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.String(length=32), nullable=False),
        sa.Column("episode_id", sa.String(length=26), nullable=True),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.id"], name=op.f("fk_requests_episode_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    op.create_index(
        "ix_requests_stream_episode", "requests", ["stream", "episode_id"], unique=False
    )
    op.create_table(
        "waits",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("since", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("until", sa.String(length=32), nullable=True),
        sa.Column("until_time", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("stream", "kind", name=op.f("pk_waits")),
    )
    op.create_table(
        "usage",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("cpu_seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "day", name=op.f("pk_usage")),
    )
    # A last run that was in truth the beginning of the first interval stays what it was: nothing
    # tells the two apart.
    with op.batch_alter_table("schedules") as table:
        table.alter_column("last_run", existing_type=sa.String(length=32), nullable=True)
        table.add_column(sa.Column("timing", sa.Text(), nullable=True))
