"""A version records the lessons that it has beyond its parent's. Older ones keep the rows of all of theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("versions", sa.Column("inherited", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_versions_parent", "versions", ["parent"])
