"""What each trial began with, counted and came to, and the files that a replay of it needs. Trials
from before this revision have left nothing to replay."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trials",
        sa.Column("episode_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("members", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("first_record", sa.BigInteger(), nullable=False),
        sa.Column("end_record", sa.BigInteger(), nullable=True),
        sa.Column("counted", sa.Text(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("begun_at", sa.String(length=32), nullable=False),
        sa.Column("ended_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name=op.f("fk_trials_episode_id")),
        sa.PrimaryKeyConstraint("episode_id", "number", name=op.f("pk_trials")),
    )
    op.create_index("ix_trials_stream_begun_at", "trials", ["stream", "begun_at"])
    op.create_table(
        "pins",
        sa.Column("episode_id", sa.String(length=26), nullable=False),
        sa.Column("first_record", sa.BigInteger(), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episodes.id"], name=op.f("fk_pins_episode_id")),
        sa.PrimaryKeyConstraint("episode_id", "first_record", name=op.f("pk_pins")),
    )
    op.create_index("ix_pins_stream", "pins", ["stream"])
