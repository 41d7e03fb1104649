"""Dead letters are delivered; those that stood here before count as delivered, since they are
cut."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("sent_at", sa.String(length=32), nullable=True))
    op.execute("UPDATE dead_letters SET sent_at = at")
    op.create_index(
        "ix_dead_letters_pending",
        "dead_letters",
        ["stream", "number"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL"),
    )
