"""Which feedback has been learned from."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("feedback", sa.Column("harvested", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_feedback_harvested", "feedback", ["harvested"])
