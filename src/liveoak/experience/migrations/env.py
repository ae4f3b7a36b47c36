"""Run by Alembic, on the connection that `migrate` hands over and in its transaction."""

from alembic import context

from liveoak.experience.schema import REVISION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table=REVISION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
