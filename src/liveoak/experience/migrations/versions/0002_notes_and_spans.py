"""Notes, and whose each token of a turn is."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("turns", sa.Column("spans", sa.Text()))
    op.create_table(
        "notes",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("session", sa.String(), nullable=False),
        sa.Column("turn", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("dropped", sa.String()),
        sa.PrimaryKeyConstraint("seq", name="pk_notes"),
        sa.UniqueConstraint("id", name="uq_notes_id"),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name="fk_notes_session_sessions"),
        sa.ForeignKeyConstraint(["turn"], ["turns.id"], name="fk_notes_turn_turns"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notes_session", "notes", ["session"])
    op.create_index("ix_notes_turn", "notes", ["turn"])
