"""Alarms say which records their numbers count; of earlier ones nobody can tell."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "alarms",
        sa.Column("numbering", sa.String(length=8), nullable=False, server_default="labelled"),
    )
