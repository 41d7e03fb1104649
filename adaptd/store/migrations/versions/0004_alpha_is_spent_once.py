"""What of a stream's alpha each of its tests may spend; those before this revision are not counted,
since they spent it all, each of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "spendings",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("test", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("episode_id", sa.String(length=26), nullable=False),
        sa.Column("alpha", sa.Float(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["episode_id"], ["episodes.id"], name=op.f("fk_spendings_episode_id")
        ),
        sa.PrimaryKeyConstraint("stream", "test", name=op.f("pk_spendings")),
        sa.UniqueConstraint("episode_id", "kind", name=op.f("uq_spendings_episode_id_kind")),
    )
