from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from record_samples import a_session, a_version
from sqlalchemy import create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from liveoak.errors import Conflict
from liveoak.experience import Experience
from liveoak.experience.migrate import FOLDER
from liveoak.experience.schema import REVISION, REVISION_TABLE, metadata
from liveoak.records import Lesson


def test_the_migrations_make_the_tables_that_the_code_knows(location: Path | str) -> None:
    with Experience(location) as experience, experience._database.read() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": REVISION_TABLE, "compare_type": True, "target_metadata": metadata},
        )
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION


def test_every_table_numbers_rows_without_reuse(tmp_path: Path) -> None:
    """What the comparison above does not see."""
    store = tmp_path / "experience.db"
    Experience(store).close()
    connection = sqlite3.connect(store)
    made = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    connection.close()
    for table in metadata.sorted_tables:
        assert ("AUTOINCREMENT" in made[table.name]) == ("seq" in table.c), table.name


def test_the_last_migration_is_the_revision_that_the_code_names() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_a_store_of_a_newer_liveoak(tmp_path: Path) -> None:
    store = tmp_path / "experience.db"
    Experience(store).close()
    connection = sqlite3.connect(store)
    connection.execute(f"UPDATE {REVISION_TABLE} SET version_num = '0999'")
    connection.commit()
    before = list(connection.iterdump())
    with pytest.raises(Conflict, match=f"'0999', written by a newer liveoak; this one knows up to '{REVISION}'"):
        Experience(store)
    assert list(connection.iterdump()) == before
    connection.close()


def test_an_older_store_is_brought_up_to_date_with_what_is_in_it(tmp_path: Path) -> None:
    store = tmp_path / "experience.db"
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with create_engine(f"sqlite:///{store}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text("INSERT INTO sessions (id, agent, author, created) VALUES ('s', 'oak', 'ann', 1)"))
        connection.execute(
            text(
                """INSERT INTO turns (id, session, "index", origin, created, message, ids, logprobs)
                VALUES ('t', 's', 0, 'given', 1, '{"role": "user", "content": "Hi"}', '', '')"""
            )
        )
        connection.execute(
            text(
                "INSERT INTO feedback (id, turn, author, kind, created, value, trusted) "
                "VALUES ('f', 't', 'ann', 'reward', 1, 1, 1)"
            )
        )
        for version, parent, lessons in (("v1", None, "l"), ("v2", "'v1'", "lm"), ("w", "'v2'", "nl")):
            connection.execute(
                text(
                    "INSERT INTO versions (id, agent, parent, created, prior) "
                    f"VALUES ('{version}', 'oak', {parent or 'NULL'}, 1, 'p')"
                )
            )
            for place, lesson in enumerate(lessons):
                connection.execute(text(f"INSERT INTO lineage VALUES ('{version}', {place}, '{lesson}')"))
    with Experience(store) as experience:
        assert [said.id for said in experience.feedback(session="s")] == ["f"]
        assert experience.unharvested("oak") == {"s": ["f"]}
        for lesson in "lmn":
            experience.add_lesson(Lesson(id=lesson, topic="t"), session="s", author="ann", created=1.0)
        experience.add_version(a_version("v3", parent="v2", lessons=("l", "m", "n")))
        assert [version.lessons for version in experience.line("v3")] == [("l",), ("l", "m"), ("l", "m", "n")]
        assert experience.version("w").lessons == ("n", "l"), "which began with others than its parent's"
        assert experience.erase("s").versions == ("v1", "v2", "w", "v3")
        with experience._database.read() as connection:
            assert connection.execute(text("SELECT COUNT(*) FROM lineage")).scalar() == 5


def test_somebody_elses_database(tmp_path: Path) -> None:
    store = tmp_path / "music.db"
    connection = sqlite3.connect(store)
    connection.execute("CREATE TABLE albums (title TEXT)")
    connection.commit()
    with pytest.raises(Conflict, match="'albums'"):
        Experience(store)
    assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["albums"]
    connection.close()


def test_threads_open_new_stores_at_once(tmp_path: Path) -> None:
    """One store twice, and several stores: Alembic's globals are shared between them."""

    def open_and_write(number: int) -> None:
        with Experience(tmp_path / f"{number % 4}.db") as experience:
            experience.add_session(a_session(f"s{number}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_and_write, range(8)))
    for number in range(4):
        with Experience(tmp_path / f"{number}.db") as experience:
            assert {session.id for session in experience.sessions()} == {f"s{number}", f"s{number + 4}"}


def test_the_tables_can_be_said_to_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    said = [str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables]
    said += [
        str(CreateIndex(index).compile(dialect=dialect)) for table in metadata.sorted_tables for index in table.indexes
    ]
    assert sum("seq BIGSERIAL" in statement for statement in said) == 7
