"""The store's tests run over both databases; those over PostgreSQL are slow."""

from tests.databases import database, empty_postgres, postgres_database

__all__ = ["database", "empty_postgres", "postgres_database"]
