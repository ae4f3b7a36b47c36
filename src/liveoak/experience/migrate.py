"""Bring a database to the tables that this liveoak knows."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from liveoak.errors import Conflict
from liveoak.experience.schema import REVISION, REVISION_TABLE

FOLDER = Path(__file__).parent / "migrations"

# Alembic keeps the migration that runs in module globals.
_one_at_a_time = threading.Lock()


def migrate(connection: Connection, place: str) -> None:
    """Within the connection's transaction, so that a crash midway leaves the old tables.

    Raises:
        Conflict: a newer liveoak wrote the database, or something else than liveoak did.
    """
    revision = stored_revision(connection, place)
    if revision == REVISION:
        return
    # Alembic is slow to import, and most openings have nothing to migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise Conflict(
            f"{place} has schema {revision!r}, written by a newer liveoak; this one knows up to {REVISION!r}: "
            "upgrade liveoak, or use another home"
        )
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, REVISION)


def stored_revision(connection: Connection, place: str) -> str | None:
    """None for an empty database."""
    tables = inspect(connection).get_table_names()
    if REVISION_TABLE in tables:
        return connection.execute(select(column("version_num")).select_from(table(REVISION_TABLE))).scalar()
    if tables:
        raise Conflict(
            f"{place} is a database of something else (it has a table {min(tables)!r}); expected an empty one or an "
            "experience store: give another path"
        )
    return None
