"""The alembic environment."""
