"""Runs the migrations on the connection of `adaptd.store.schema`, in its transaction."""

from alembic import context

from adaptd.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite's DDL rolls back like anything else once a transaction is begun by name.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
