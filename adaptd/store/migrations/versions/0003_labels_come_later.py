"""Records that wait for their labels, and labels that wait for their records."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "join_rows",
        sa.Column("stream", sa.String(length=63), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("target", sa.Integer(), nullable=True),
        sa.Column("partition", sa.Integer(), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=True),
        sa.Column("ingested_at", sa.Float(), nullable=True),
        sa.Column("x", sa.LargeBinary(), nullable=True),
        sa.Column("predictors", sa.Text(), nullable=True),
        sa.Column("predictions", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("stream", "id", name=op.f("pk_join_rows")),
    )
    op.create_index("ix_join_rows_stream_number", "join_rows", ["stream", "number"], unique=False)
    op.create_index("ix_join_rows_stream_since", "join_rows", ["stream", "since"], unique=False)
    op.add_column(
        "dead_letters",
        sa.Column("origin", sa.String(length=16), nullable=False, server_default="records"),
    )
