"""A version has rows for the lessons alone that it does not share with the beginning of its parent's."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_INHERITED = """
UPDATE versions
SET inherited = (SELECT COUNT(*) FROM lineage AS old WHERE old.version = versions.parent)
WHERE EXISTS (
    SELECT 1 FROM versions AS above
    WHERE above.id = versions.parent AND above.agent = versions.agent AND above.seq < versions.seq
) AND NOT EXISTS (
    SELECT 1 FROM lineage AS old
    LEFT JOIN lineage AS own ON own.version = versions.id AND own.place = old.place AND own.lesson = old.lesson
    WHERE old.version = versions.parent AND own.version IS NULL
)
"""
_SHARED = "DELETE FROM lineage WHERE place < (SELECT inherited FROM versions WHERE versions.id = lineage.version)"


def upgrade() -> None:
    op.add_column("versions", sa.Column("inherited", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_versions_parent", "versions", ["parent"])
    op.execute(_INHERITED)
    op.execute(_SHARED)
