"""Draws with the systematic error, beside those of the model.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("fit_draws", sa.Column("second", sa.LargeBinary(), nullable=True))
