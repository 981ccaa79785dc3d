"""What is kept beside the draws of a fit: its evidence, and pictures of it.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fit_draws", sa.Column("evidence", sa.LargeBinary(), nullable=True))
    op.add_column("fit_draws", sa.Column("figures", sa.LargeBinary(), nullable=True))
