"""What people see of a checkpoint stands beside it: its document is large, and the daemon's."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("checkpoints", sa.Column("shown", sa.Text(), nullable=True))
