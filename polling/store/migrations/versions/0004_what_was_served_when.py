"""What was served when, questions held by an analyst, and what NUTS said of releases.

What was served until now is what was published: the history begins with that.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "serving",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('published', 'rolled-back')", name=op.f("ck_serving_kind")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_serving_release_id")),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_serving_survey_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_serving")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_serving_survey_id_question_id_id"), "serving", ["survey_id", "question_id", "id"], unique=False
    )
    op.create_table(
        "question_hold",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("taken_back_id", sa.Text(), nullable=True),
        sa.Column("fit_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["fit_id"], ["fit.id"], name=op.f("fk_question_hold_fit_id")),
        sa.ForeignKeyConstraint(
            ["survey_id", "question_id"],
            ["question_state.survey_id", "question_state.question_id"],
            name=op.f("fk_question_hold_survey_id_question_id"),
        ),
        sa.ForeignKeyConstraint(["taken_back_id"], ["release.id"], name=op.f("fk_question_hold_taken_back_id")),
        sa.PrimaryKeyConstraint("survey_id", "question_id", name=op.f("pk_question_hold")),
    )
    op.create_table(
        "confirmation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("fit_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("numbers", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('agrees', 'disagrees', 'inconclusive')", name=op.f("ck_confirmation_state")),
        sa.ForeignKeyConstraint(["fit_id"], ["fit.id"], name=op.f("fk_confirmation_fit_id")),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_confirmation_release_id")),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_confirmation_survey_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_confirmation")),
    )
    op.create_index(op.f("ix_confirmation_fit_id_at"), "confirmation", ["fit_id", "at"], unique=False)
    op.execute(
        "INSERT INTO serving (survey_id, question_id, release_id, at, kind) "
        "SELECT survey_id, question_id, id, published_at, 'published' FROM release ORDER BY published_at, number"
    )
