"""Tickets for streams of events, and the way to the events of one survey.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_outbox_survey_id_id"), "outbox", ["survey_id", "id"], unique=False)
    op.create_table(
        "event_ticket",
        sa.Column("ticket_hash", sa.Text(), nullable=False),
        sa.Column("key_prefix", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_event_ticket_survey_id")),
        sa.PrimaryKeyConstraint("ticket_hash", name=op.f("pk_event_ticket")),
    )
