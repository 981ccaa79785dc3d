"""Waves in versions with their history; the audit chain, erasures, backups and replies to repeated requests.

A wave of 0001 becomes a wave with one version of one part, which was received once.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A copy, not a renamed table: its indexes and constraints would keep the names that the new table needs.
    op.execute("CREATE TABLE wave_0001 AS SELECT * FROM wave")
    op.drop_table("wave")
    _new_tables()
    op.add_column("fit", sa.Column("contains_erased_at", sa.DateTime(timezone=True), nullable=True))
    _carry_over()
    op.drop_table("wave_0001")


def _carry_over() -> None:
    op.execute(
        "INSERT INTO wave (id, survey_id, pollster, reference, sequence, state, version, created_at) "
        "SELECT id, survey_id, pollster, reference, sequence, state, 1, received_at FROM wave_0001"
    )
    op.execute(
        "INSERT INTO wave_version (wave_id, version, survey_version, content_sha256, n_interviews, questions, "
        "fieldwork_start, fieldwork_end, facts, flags, key_version, received_at, received_by) "
        "SELECT id, 1, survey_version, content_sha256, n_interviews, questions, "
        "fieldwork_start, fieldwork_end, '{}', '[]', key_version, received_at, 'unknown' FROM wave_0001"
    )
    op.execute(
        "INSERT INTO wave_part (wave_id, version, number, content_sha256, payload_sha256, n_interviews, received_at, "
        "payload) "
        "SELECT id, 1, 1, content_sha256, payload_sha256, n_interviews, received_at, payload FROM wave_0001"
    )
    op.execute(
        "INSERT INTO wave_event (wave_id, survey_id, sequence, kind, version, state, at, actor) "
        "SELECT id, survey_id, sequence, 'received', 1, state, received_at, 'unknown' FROM wave_0001 "
        "ORDER BY received_at, survey_id, sequence"
    )


def _new_tables() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entry")),
    )
    op.create_index(op.f("ix_audit_entry_survey_id_at"), "audit_entry", ["survey_id", "at"], unique=False)
    op.create_table(
        "audit_head",
        sa.Column("single", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("mac", sa.Text(), nullable=False),
        sa.CheckConstraint("single = 1", name=op.f("ck_audit_head_single")),
        sa.PrimaryKeyConstraint("single", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "backup_run",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup_run")),
    )
    op.create_table(
        "idempotency_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "idempotency_key", name=op.f("pk_idempotency_key")),
    )
    op.create_index(op.f("ix_idempotency_key_created_at"), "idempotency_key", ["created_at"], unique=False)
    op.create_table(
        "erasure",
        sa.Column("case_number", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("n_interviews", sa.Integer(), nullable=False),
        sa.Column("waves", sa.Text(), nullable=False),
        sa.Column("fits", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_erasure_survey_id")),
        sa.PrimaryKeyConstraint("case_number", name=op.f("pk_erasure")),
    )
    op.create_index(op.f("ix_erasure_survey_id"), "erasure", ["survey_id"], unique=False)
    op.create_table(
        "source_state",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_source_state_survey_id")),
        sa.PrimaryKeyConstraint("survey_id", "name", name=op.f("pk_source_state")),
    )
    op.create_table(
        "suppression",
        sa.Column("case_number", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("id_mac", sa.Text(), nullable=False),
        sa.Column("pseudonym_macs", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_suppression_survey_id")),
        sa.PrimaryKeyConstraint("case_number", name=op.f("pk_suppression")),
    )
    op.create_index(op.f("ix_suppression_survey_id"), "suppression", ["survey_id"], unique=False)
    op.create_table(
        "wave",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("pollster", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_on", sa.Date(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'accepted', 'held', 'withdrawn')", name=op.f("ck_wave_state")),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_wave_survey_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wave")),
        sa.UniqueConstraint("survey_id", "pollster", "reference", name=op.f("uq_wave_survey_id_pollster_reference")),
        sa.UniqueConstraint("survey_id", "sequence", name=op.f("uq_wave_survey_id_sequence")),
    )
    op.create_table(
        "source_file",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("wave_id", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_source_file_survey_id")),
        sa.ForeignKeyConstraint(["wave_id"], ["wave.id"], name=op.f("fk_source_file_wave_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_file")),
        sa.UniqueConstraint(
            "survey_id",
            "source",
            "name",
            "content_sha256",
            name=op.f("uq_source_file_survey_id_source_name_content_sha256"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "wave_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("wave_id", sa.Text(), nullable=False),
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'accepted', 'held', 'withdrawn')", name=op.f("ck_wave_event_state")),
        sa.ForeignKeyConstraint(["survey_id"], ["survey.id"], name=op.f("fk_wave_event_survey_id")),
        sa.ForeignKeyConstraint(["wave_id"], ["wave.id"], name=op.f("fk_wave_event_wave_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wave_event")),
        sa.UniqueConstraint("survey_id", "sequence", name=op.f("uq_wave_event_survey_id_sequence")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_wave_event_wave_id_id"), "wave_event", ["wave_id", "id"], unique=False)
    op.create_table(
        "wave_version",
        sa.Column("wave_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("survey_version", sa.Integer(), nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("n_interviews", sa.Integer(), nullable=False),
        sa.Column("n_quarantined", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_without_consent", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("questions", sa.Text(), nullable=False),
        sa.Column("fieldwork_start", sa.Date(), nullable=True),
        sa.Column("fieldwork_end", sa.Date(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["wave_id"], ["wave.id"], name=op.f("fk_wave_version_wave_id")),
        sa.PrimaryKeyConstraint("wave_id", "version", name=op.f("pk_wave_version")),
    )
    op.create_index(op.f("ix_wave_version_content_sha256"), "wave_version", ["content_sha256"], unique=False)
    op.create_table(
        "wave_part",
        sa.Column("wave_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content_sha256", sa.Text(), nullable=False),
        sa.Column("payload_sha256", sa.Text(), nullable=False),
        sa.Column("n_interviews", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("counts", sa.LargeBinary(), nullable=True),
        sa.Column("quarantine", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["wave_id", "version"],
            ["wave_version.wave_id", "wave_version.version"],
            name=op.f("fk_wave_part_wave_id_version"),
        ),
        sa.PrimaryKeyConstraint("wave_id", "version", "number", name=op.f("pk_wave_part")),
    )
