"""Blocks whose records came while a sensor was broken are told apart."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "scores",
        sa.Column("is_broken", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
