"""The tables, as they stand after the last migration.

Text that people wrote is kept in as few columns as possible, because it must be removable; what is asked about has a
column of its own. `seq` columns give the order of arrival and are never given out twice, not even after an erasure.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

REVISION = "0004"
"""The last migration. A test holds it against the migrations folder."""

REVISION_TABLE = "experience_schema"

# SQLite numbers rows by itself only where the key is an INTEGER, which there holds 64 bits anyway.
_SEQUENCE = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

sessions = Table(
    "sessions",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("agent", String, nullable=False, index=True),
    Column("author", String, nullable=False, index=True),
    Column("created", Double, nullable=False),
    sqlite_autoincrement=True,
)

turns = Table(
    "turns",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("session", String, ForeignKey("sessions.id"), nullable=False),
    Column("index", Integer, nullable=False),
    Column("origin", String, nullable=False),
    Column("created", Double, nullable=False),
    Column("version", String),
    Column("message", Text, nullable=False),
    Column("ids", LargeBinary, nullable=False),
    Column("logprobs", LargeBinary, nullable=False),
    Column("spans", Text),
    UniqueConstraint("session", "index"),
    sqlite_autoincrement=True,
)

notes = Table(
    "notes",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("session", String, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("turn", String, ForeignKey("turns.id"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("created", Double, nullable=False),
    Column("dropped", String),
    sqlite_autoincrement=True,
)

feedback = Table(
    "feedback",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("turn", String, ForeignKey("turns.id"), nullable=False, index=True),
    Column("author", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("created", Double, nullable=False),
    Column("value", Double),
    Column("text", Text),
    Column("trusted", Boolean, nullable=False, index=True),
    Column("harvested", Boolean, nullable=False, index=True, server_default=false()),
    sqlite_autoincrement=True,
)

lessons = Table(
    "lessons",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("session", String, ForeignKey("sessions.id"), index=True),
    Column("author", String, nullable=False),
    Column("created", Double, nullable=False),
    Column("status", String, nullable=False, index=True),
    Column("lesson", Text, nullable=False),
    Column("proof", Text),
    Column("error", Text),
    sqlite_autoincrement=True,
)

versions = Table(
    "versions",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("agent", String, nullable=False, index=True),
    Column("parent", String, index=True),
    Column("session", String, index=True),
    Column("created", Double, nullable=False),
    Column("prior", String, nullable=False),
    Column("verdict", Text),
    Column("retired", Text),
    # How many of its lessons are the parent's first ones. Those have no rows in `lineage` besides the parent's: a chain
    # of thousands would have millions.
    Column("inherited", Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)

lineage = Table(
    "lineage",
    metadata,
    Column("version", String, ForeignKey("versions.id"), primary_key=True),
    Column("place", Integer, primary_key=True),
    # No foreign key: the lesson may be erased, and then the version must still be found by it.
    Column("lesson", String, nullable=False, index=True),
)

heads = Table(
    "heads",
    metadata,
    Column("seq", _SEQUENCE, primary_key=True),
    Column("agent", String, nullable=False),
    Column("session", String),
    Column("version", String, ForeignKey("versions.id")),
    Column("why", Text, nullable=False),
    Column("created", Double, nullable=False),
    Index(None, "agent", "session"),
    sqlite_autoincrement=True,
)

erasures = Table(
    "erasures",
    metadata,
    Column("session", String, primary_key=True),
    Column("created", Double, nullable=False),
    Column("turns", Integer, nullable=False),
    Column("feedback", Integer, nullable=False),
    Column("lessons", Integer, nullable=False),
    Column("versions", Text, nullable=False),
    Column("scrubbed", Boolean, nullable=False),
)
