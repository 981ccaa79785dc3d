"""Which district predictors a fit reads, and which known totals: of each column what was known by its last interview.

Of a column the upload holds that describes the latest day not after the last day of fieldwork, of those that were
received before the fit; without one, the districts table of the survey. A fit notes every upload that it used, and is
read and made again with these, whatever was uploaded since.

    {"predictors": [{"id": ..., "number": 3, "as_of": "2024-05-02", "source": ..., "sha256": ...,
                     "received_at": ..., "columns": ["turnout"]}, ...]}

``columns`` are those of the upload that the fit took from it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl
from sqlalchemy.orm import Session

from jobs.errors import FitImpossible
from jobs.outcomes import columns_read
from mrp.categorical.options import take_own_terms
from polling.bundle import SurveyBundle
from polling.declaration import Question
from polling.store import predictors
from polling.store.blobs import table_sha256
from polling.store.fit_inputs import predictors_noted
from polling.store.predictors import PredictorRecord
from polling.store.records import StoredSurvey

__all__ = [
    "CountedBy",
    "KnownPredictors",
    "bundle_of_fit",
    "counted_by",
    "known_predictors",
    "predictors_read",
    "totals_read",
    "uploads_at_rest",
    "with_columns",
]


@dataclass(frozen=True, slots=True)
class KnownPredictors:
    """The predictors of a fit."""

    bundle: SurveyBundle
    """The survey, with these in its table of districts."""
    noted: tuple[dict[str, Any], ...]
    """What the fit notes of each upload, see above; empty if all are of the survey's own table."""
    hashes: dict[str, str]
    """Column -> hash of its values, for those that were uploaded and models read: what a seed follows from in every
    installation."""


def predictors_read(questions: Iterable[Question], bundle: SurveyBundle) -> frozenset[str]:
    """Predictors of the districts that the models of some questions read.

    Raises
    ------
    FormulaError
        If a formula cannot be read.
    """
    read: set[str] = set()
    for question in questions:
        _, own = take_own_terms(question.model)
        read |= columns_read(question)
        read |= {column for term in own for column in question.own_columns.get(term.name, {}).values()}
    return frozenset(read & set(bundle.predictors))


def totals_read(questions: Iterable[Question], bundle: SurveyBundle) -> frozenset[str]:
    """Columns of the districts with the known totals that some questions meet, or move along with."""
    named = {one.id if one.moved_by is None else one.moved_by.question for one in questions}
    known = [one.known_totals for one in bundle.declaration.questions if one.id in named]
    read = {column for totals in known if totals for column in totals.shares.values() if isinstance(column, str)}
    return frozenset(read & set(bundle.predictors))


def known_predictors(
    session: Session, survey: StoredSurvey, questions: Sequence[Question], *, data_through: date
) -> KnownPredictors:
    """The predictors that questions are fitted with now, and the known totals that they meet.

    Parameters
    ----------
    questions
        Those of one fit.
    data_through
        Last day of fieldwork: what describes a later day is not known yet.

    Raises
    ------
    FitImpossible
        If an upload that holds lacks districts of this version of the survey.
    """
    read = predictors_read(questions, survey.bundle)
    columns = read | totals_read(questions, survey.bundle)
    holding = predictors.known_by(session, survey.id, columns, data_through) if columns else {}
    noted: dict[str, dict[str, Any]] = {}
    for column, upload in sorted(holding.items()):
        noted.setdefault(upload.id, _noted(upload))["columns"].append(column)
    ordered = sorted(noted.values(), key=lambda one: one["number"])
    bundle = _with_noted(session, survey, ordered)
    # What totals are met afterwards makes no other fit.
    hashes = {column: table_sha256(bundle.districts.select("code", column)) for column in sorted(read & set(holding))}
    return KnownPredictors(bundle, tuple(ordered), hashes)


def bundle_of_fit(session: Session, survey: StoredSurvey, inputs: Any) -> SurveyBundle:
    """The survey with the predictors that a stored fit used.

    Parameters
    ----------
    survey
        In the version of the fit.
    inputs
        What the fit noted of its inputs.
    """
    return _with_noted(session, survey, predictors_noted(inputs))


@dataclass(frozen=True, slots=True)
class CountedBy:
    """What the districts of a release are counted by, such as their seats."""

    districts: pl.DataFrame
    """``code`` and every predictor of the survey."""
    uploads: dict[str, PredictorRecord]
    """Column -> the upload that it was taken from; others are of the survey's own table."""


def counted_by(
    session: Session, survey_id: str, bundle: SurveyBundle, *, data_through: date | None, published_at: datetime
) -> CountedBy:
    """The columns of the districts as they were known to a release, read by its model or not.

    Parameters
    ----------
    bundle
        As `bundle_of_fit` has it.
    data_through, published_at
        The last day of its interviews, if that is known, and when it was published: what describes a later day, or was
        received later, is left out. An upload that lacks districts is too.
    """
    districts, columns = bundle.districts.select("code", *bundle.predictors), bundle.predictors
    day = published_at.date() if data_through is None else data_through
    holding = predictors.known_by(session, survey_id, columns, day, received_by=published_at) if columns else {}
    used = {}
    for column, upload in sorted(holding.items()):
        table = predictors.load_table(session, upload.id).select("code", column)
        if set(table["code"]) >= set(districts["code"]):
            districts = districts.drop(column).join(table, on="code", how="left", maintain_order="left")
            used[column] = upload
    return CountedBy(districts, used)


def uploads_at_rest(session: Session, survey: StoredSurvey) -> list[str]:
    """What to know of the uploads that a version of a survey cannot use as they are, a sentence for each."""
    codes, columns = set(survey.bundle.districts["code"]), set(survey.bundle.predictors)
    told: dict[str, str] = {}
    for upload in reversed(predictors.list_predictors(session, survey.id)):
        lacking = codes - set(predictors.load_table(session, upload.id)["code"])
        for column in upload.columns:
            if column not in columns:
                told[column] = f"The uploads of {column} rest: version {survey.version} has no such predictor."
            elif lacking:
                told[column] = (
                    f"Upload {upload.number} of {column} has no value for district {min(lacking)}: fits that would "
                    "read it are refused. Upload it for all districts, for the same day."
                )
            else:
                told.pop(column, None)
    return list(told.values())


def with_columns(bundle: SurveyBundle, table: pl.DataFrame) -> SurveyBundle:
    """A survey with other values of some predictors, ``code`` and numbers of every district."""
    by_code = bundle.districts.select("code").join(table, on="code", how="left", maintain_order="left")
    return replace(bundle, districts=bundle.districts.with_columns(by_code.drop("code").get_columns()))


def _with_noted(session: Session, survey: StoredSurvey, noted: Sequence[dict[str, Any]]) -> SurveyBundle:
    bundle = survey.bundle
    for one in noted:
        table = predictors.load_table(session, one["id"]).select("code", *one["columns"])
        if lacking := sorted(set(bundle.districts["code"]) - set(table["code"])):
            raise FitImpossible(
                "predictors-incomplete",
                f"{', '.join(one['columns'])} as of {one['as_of']} ({one['source']}, upload {one['number']}) "
                f"{'has' if len(one['columns']) == 1 else 'have'} no value for district {lacking[0]}"
                f"{f' and {len(lacking) - 1} more' if len(lacking) > 1 else ''}, which version {survey.version} of the "
                "survey has. Upload the column for all districts, for the same day.",
            )
        bundle = with_columns(bundle, table)
    return bundle


def _noted(upload: PredictorRecord) -> dict[str, Any]:
    return {
        "id": upload.id,
        "number": upload.number,
        "as_of": upload.as_of.isoformat(),
        "source": upload.source,
        "sha256": upload.sha256,
        "received_at": _utc(upload.received_at),
        "columns": [],
    }


def _utc(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
