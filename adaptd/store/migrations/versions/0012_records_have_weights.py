"""Records that wait for their labels keep how much they count in training."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("join_rows", sa.Column("weight", sa.Float(), nullable=True))
