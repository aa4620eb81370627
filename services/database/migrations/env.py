"""Alembic environment of all schemas: runs on the connection that ``migrate.upgrade`` gives."""

from alembic import context

attributes = context.config.attributes
# No metadata: migrations are written by hand, and reviewed.
context.configure(
    connection=attributes["connection"],
    version_table_schema=str(attributes["schema"]),
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
