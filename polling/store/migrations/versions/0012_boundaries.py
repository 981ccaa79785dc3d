"""Boundaries of a survey's districts.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "boundary_file",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("drawn", sa.LargeBinary(), nullable=False),
        sa.Column("n_districts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_boundary_file")),
    )
    op.create_table(
        "survey_boundaries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["sha256"], ["boundary_file.sha256"], name=op.f("fk_survey_boundaries_sha256")),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_survey_boundaries_survey_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_boundaries")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_survey_boundaries_survey_id_id"), "survey_boundaries", ["survey_id", "id"], unique=False)
