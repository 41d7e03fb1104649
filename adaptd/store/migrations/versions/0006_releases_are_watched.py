"""A fresh release is watched beside the one that it replaced."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watches",
        sa.Column("release_digest", sa.String(length=64), nullable=False),
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("predecessor_digest", sa.String(length=64), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("rollback_digest", sa.String(length=64), nullable=True),
        sa.Column("begun_at", sa.String(length=32), nullable=False),
        sa.Column("ended_at", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(
            ["release_digest"], ["releases.digest"], name=op.f("fk_watches_release_digest")
        ),
        sa.ForeignKeyConstraint(
            ["predecessor_digest"], ["releases.digest"], name=op.f("fk_watches_predecessor_digest")
        ),
        sa.ForeignKeyConstraint(
            ["rollback_digest"], ["releases.digest"], name=op.f("fk_watches_rollback_digest")
        ),
        sa.PrimaryKeyConstraint("release_digest", name=op.f("pk_watches")),
    )
    op.create_index(
        "uq_watches_running",
        "watches",
        ["stream"],
        unique=True,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
