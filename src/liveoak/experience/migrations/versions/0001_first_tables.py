"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "sessions",
        sa.Column("seq", sequence, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_sessions"),
        sa.UniqueConstraint("id", name="uq_sessions_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sessions_agent", "sessions", ["agent"])
    op.create_index("ix_sessions_author", "sessions", ["author"])
    op.create_table(
        "turns",
        sa.Column("seq", sequence, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("version", sa.String()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.Column("logprobs", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_turns"),
        sa.UniqueConstraint("id", name="uq_turns_id"),
        sa.UniqueConstraint("session", "index", name="uq_turns_session_index"),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_turns_session_sessions"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "feedback",
        sa.Column("seq", sequence, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("turn", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("text", sa.Text()),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_feedback"),
        sa.UniqueConstraint("id", name="uq_feedback_id"),
        sa.ForeignKeyConstraint(["turn"], ["turns.id"], name="fk_feedback_turn_turns"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feedback_turn", "feedback", ["turn"])
    op.create_index("ix_feedback_trusted", "feedback", ["trusted"])
    op.create_table(
        "lessons",
        sa.Column("seq", sequence, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("session", sa.String()),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("lesson", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name="pk_lessons"),
        sa.UniqueConstraint("id", name="uq_lessons_id"),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_lessons_session_sessions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_lessons_session", "lessons", ["session"])
    op.create_index("ix_lessons_status", "lessons", ["status"])
    op.create_table(
        "versions",
        sa.Column("seq", sequence, nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("parent", sa.String()),
        sa.Column("session", sa.String()),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("prior", sa.String(), nullable=False),
        sa.Column("verdict", sa.Text()),
        sa.Column("retired", sa.Text()),
        sa.PrimaryKeyConstraint("seq", name="pk_versions"),
        sa.UniqueConstraint("id", name="uq_versions_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_versions_agent", "versions", ["agent"])
    op.create_index("ix_versions_session", "versions", ["session"])
    op.create_table(
        "lineage",
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("lesson", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("version", "place", name="pk_lineage"),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], name="fk_lineage_version_versions"),
    )
    op.create_index("ix_lineage_lesson", "lineage", ["lesson"])
    op.create_table(
        "heads",
        sa.Column("seq", sequence, nullable=False),
        sa.Column("agent", sa.String(), nullable=False),
        sa.Column("session", sa.String()),
        sa.Column("version", sa.String()),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_heads"),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], name="fk_heads_version_versions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_heads_agent_session", "heads", ["agent", "session"])
    op.create_table(
        "erasures",
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("feedback", sa.Integer(), nullable=False),
        sa.Column("lessons", sa.Integer(), nullable=False),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("scrubbed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("session", name="pk_erasures"),
    )


def downgrade() -> None:
    raise NotImplementedError("there is nothing before the first tables")
