"""Check, add and update surveys, with the estimator's judgement of their formulas.

``polling`` reads the folder and knows nothing of models; ``mrp`` knows what a
formula may say and nothing of folders. Here they meet.
"""

from datetime import datetime
from pathlib import Path

import polars as pl
from sqlalchemy.orm import Session

from jobs import ledger
from jobs.adjustments import moving_problems
from jobs.erasure import replay_journal
from jobs.outcomes import outcome_of
from jobs.partners import label_problems
from jobs.refit import electorate_of
from jobs.restate import ask_refit, tell_asked
from jobs.settings import Settings
from mrp.errors import MrpError
from mrp.priors import parse_priors
from mrp.terms import OBSERVED
from polling.bundle import SurveyBundle
from polling.declaration import Question
from polling.folder import load_survey_folder
from polling.secrets import SecretsFile
from polling.store import outbox, releases, surveys, waves
from polling.store.columns import Json
from polling.store.engine import Store
from polling.store.records import SurveyVersionRecord

__all__ = ["add_survey", "formula_problems", "load_survey", "update_survey"]


def load_survey(path: Path, *, data_dir: Path | None = None) -> SurveyBundle:
    """Read and check a survey folder, formulas included.

    Parameters
    ----------
    path
        Folder of ``survey.toml``.
    data_dir
        Where its tables lie, if not there.

    Raises
    ------
    SurveyRejected
        With every fault that was found.
    """
    return load_survey_folder(path, data_dir=data_dir, check_formula=formula_problems)


def add_survey(
    store: Store, secrets: SecretsFile, bundle: SurveyBundle, *, actor: str, now: datetime
) -> SurveyVersionRecord:
    """Store a survey as its first version; the same content again is the same version.

    Raises
    ------
    SurveyExists
        If a survey of this id has other content.
    SecretsError
        If the secrets file, or the journal of erasures beside it, cannot be used.
    """
    with store.write() as session:
        version = surveys.add_survey(session, bundle, now=now)
        if version.created:
            # Who was erased from a survey of this name, in a database that is lost, is kept out from the first wave on.
            replay_journal(session, secrets, survey_id=version.survey_id)
            outbox.append(session, "survey-added", version.survey_id, {"version": version.version}, now)
            _record(session, secrets, "survey-added", version, actor=actor, now=now)
    return version


def update_survey(
    store: Store, secrets: SecretsFile, settings: Settings, bundle: SurveyBundle, *, actor: str, now: datetime
) -> SurveyVersionRecord:
    """Store a new version of a survey, and ask for a refit of every question that has waves.

    Raises
    ------
    SurveyNotFound
        If the survey was never added.
    """
    survey_id = bundle.declaration.id
    with store.write() as session:
        version = surveys.update_survey(session, bundle, now=now)
        if not version.created:
            return version
        received = waves.list_waves(session, survey_id)
        answered = {question_id for wave in received if wave.is_counted for question_id in wave.questions}
        reason = f"Version {version.version} of the survey is not in it yet."
        asked = []
        for question in bundle.declaration.questions:
            if question.id in answered:
                asked.append(ask_refit(session, settings, survey_id=survey_id, question_id=question.id, now=now))
                releases.mark_stale(session, survey_id, question.id, now, reason)
        tell_asked(session, asked, now=now)
        outbox.append(session, "survey-updated", survey_id, {"version": version.version}, now)
        _record(session, secrets, "survey-updated", version, actor=actor, now=now)
    return version


def formula_problems(question: Question, bundle: SurveyBundle) -> tuple[str, ...]:
    """Everything that is wrong with a question's formula or its priors, in words; empty if nothing is."""
    try:
        outcome, electorate = outcome_of(question), electorate_of(bundle)
        if problems := outcome.check(question.model, electorate):
            return problems
        if problems := label_problems(question, bundle.declaration.questions, electorate):
            return problems
        if problems := moving_problems(question, bundle.declaration.questions):
            return problems
        # Waves bring the real periods and pollsters; two of each are enough to try the formula.
        design = outcome.build(question.model, electorate, observed=dict.fromkeys(OBSERVED, ("1", "2")))
        outcome.check_priors(parse_priors(question.priors), design)
        if question.weights == "likelihood":
            # Whether a likelihood knows weights shows when it is given some, be it of nobody.
            columns = (*design.count_columns, question.id)
            nobody = pl.DataFrame(schema=dict.fromkeys(columns, pl.String()) | {"weight": pl.Float64()})
            outcome.collapse(nobody, by=design.count_columns, answer=question.id, weight="weight")
    except MrpError as error:
        return (str(error),)
    return ()


def _record(
    session: Session,
    secrets: SecretsFile,
    action: str,
    version: SurveyVersionRecord,
    *,
    actor: str,
    now: datetime,
) -> None:
    detail: dict[str, Json] = {"version": version.version, "content_sha256": version.content_sha256}
    ledger.record(session, secrets, actor=actor, action=action, survey_id=version.survey_id, detail=detail, now=now)
