"""Alembic's entry: run the migrations on the connection that was handed in."""

from alembic import context

from py_edge.storage.sql import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
