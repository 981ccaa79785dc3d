"""Turns of jobs, what became of the clock's tasks, pinned releases, alarms of questions.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_index(op.f("ix_job_started_at"), "job", ["started_at"], unique=False)
    op.create_index(op.f("ix_job_kind_key_started_at"), "job", ["kind", "key", "started_at"], unique=False)
    op.create_table(
        "question_alarm",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("stale_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey_id", "question_id"],
            ["question_state.survey_id", "question_state.question_id"],
            name=op.f("fk_question_alarm_survey_id_question_id"),
        ),
        sa.PrimaryKeyConstraint("survey_id", "question_id", name=op.f("pk_question_alarm")),
    )
    op.create_table(
        "clock_task",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("known_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.CheckConstraint("outcome IN ('done', 'failed')", name=op.f("ck_clock_task_outcome")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_clock_task")),
    )
    op.execute("INSERT INTO clock_task (name, known_since) SELECT name, last_run_at FROM clock_run")
    op.create_table(
        "release_pin",
        sa.Column("release_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_release_pin_release_id")),
        sa.PrimaryKeyConstraint("release_id", name=op.f("pk_release_pin")),
    )
