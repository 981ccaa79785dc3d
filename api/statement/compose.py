"""Put a disclosure statement together."""

from datetime import datetime

from sqlalchemy.orm import Session

from api.confirmed import describe_confirmation
from api.statement.beyond import beyond_sections
from api.statement.caveats import NOW_NOT_LATER, caveat_sections
from api.statement.method import method_sections
from api.statement.model import model_sections, priors_of
from api.statement.payloads import StatementPayload, StatementSection
from api.statement.records import Records, read_records
from api.statement.represented import representation_section
from api.statement.together import together_sections
from polling.disclosure import DisclosureRules
from polling.secrets import SecretsFile
from polling.store.records import ReleaseRecord

__all__ = ["statement_of"]


def statement_of(
    session: Session, release: ReleaseRecord, *, secrets: SecretsFile, rules: DisclosureRules, now: datetime
) -> StatementPayload:
    """The disclosure statement of a release, from what is stored of it.

    Raises
    ------
    SecretsError
        If the secrets file cannot be used, without which interviews cannot be told perturbed.
    """
    records = read_records(session, release, secrets, rules)
    fit, declared = records.fit, records.declaration
    versions = fit.versions if isinstance(fit.versions, dict) else {}
    return StatementPayload(
        survey=release.survey_id,
        question=release.question_id,
        title=f"Disclosure statement: {declared.title}, {release.question_id}, release {release.number}",
        release_id=release.id,
        release_number=release.number,
        survey_version=release.survey_version,
        published_at=release.published_at,
        current=records.state.release_id == release.id,
        data_through=release.data_through,
        written_at=now,
        text=records.question.text,
        universe=declared.universe,
        n_interviews=records.n_shown,
        n_interviews_rounded=records.is_rounded,
        n_waves=len(records.waves),
        formula=fit.formula,
        priors=priors_of(records),
        engine=fit.engine,
        versions={str(name): str(one) for name, one in versions.items()},
        answers=release.has_draws,
        confirmation=describe_confirmation(release, records.confirmation),
        sections=[
            _what(records),
            *method_sections(records),
            representation_section(records),
            *together_sections(records),
            *model_sections(records),
            *beyond_sections(records),
            *caveat_sections(records),
        ],
    )


def _what(records: Records) -> StatementSection:
    release = records.release
    through = f", on interviews until {release.data_through}" if release.data_through else ""
    text = [
        (
            f"Release {release.number} of the question “{records.question.text}”, published on "
            f"{release.published_at:%Y-%m-%d at %H:%M} UTC{through}."
        ),
        NOW_NOT_LATER,
    ]
    if records.state.release_id == release.id and records.state.stale_reason:
        text.append(f"What is served lacks something: {records.state.stale_reason}")
    return StatementSection("release", "What this is about", ["AAPOR 1"], text)
