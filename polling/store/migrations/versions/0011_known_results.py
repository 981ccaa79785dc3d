"""What is known to have happened, and how close releases came to it.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "known_result",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("refers_to", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("survey_version", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('current', 'replaced', 'withdrawn')", name=op.f("ck_known_result_state")),
        sa.ForeignKeyConstraint(
            ["survey_id", "question_id"],
            ["question_state.survey_id", "question_state.question_id"],
            name=op.f("fk_known_result_survey_id_question_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_result")),
        sa.UniqueConstraint(
            "survey_id",
            "question_id",
            "refers_to",
            "version",
            name=op.f("uq_known_result_survey_id_question_id_refers_to_version"),
        ),
    )
    op.create_index(
        "uq_known_result_current",
        "known_result",
        ["survey_id", "question_id", "refers_to"],
        unique=True,
        sqlite_where=sa.text("state = 'current'"),
        postgresql_where=sa.text("state = 'current'"),
    )
    op.create_table(
        "release_score",
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("result_id", sa.Text(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scores", sa.Text(), nullable=True),
        sa.Column("unscored", sa.Text(), nullable=True),
        sa.CheckConstraint("(scores IS NULL) <> (unscored IS NULL)", name=op.f("ck_release_score_told")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_release_score_release_id")),
        sa.ForeignKeyConstraint(["result_id"], ["known_result.id"], name=op.f("fk_release_score_result_id")),
        sa.PrimaryKeyConstraint("release_id", "result_id", name=op.f("pk_release_score")),
    )
    op.create_index(op.f("ix_release_score_result_id"), "release_score", ["result_id"], unique=False)
