"""The body of a disclosure statement, every field described."""

from datetime import date, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from api.payloads import ConfirmationPayload, QuestionId, SurveyId

__all__ = ["StatementPayload", "StatementSection", "StatementTable"]


class StatementTable(msgspec.Struct, frozen=True):
    """What is better read in rows."""

    caption: Annotated[str, Meta(description="What it shows.")]
    columns: Annotated[list[str], Meta(description="Heads of its columns.")]
    rows: Annotated[list[list[str]], Meta(description="Its cells, as text, row by row.")]


class StatementSection(msgspec.Struct, frozen=True):
    """One subject of a disclosure statement."""

    id: Annotated[str, Meta(description="Its name, which does not change, such as 'sponsor'.")]
    title: Annotated[str, Meta(description="Its heading.")]
    asked_by: Annotated[list[str], Meta(description="Who asks for it: items of AAPOR's code of 2021, ESOMAR/WAPOR.")]
    text: Annotated[list[str], Meta(description="Paragraphs of plain text.")]
    tables: Annotated[list[StatementTable], Meta(description="Tables, usually none or one.")] = []


class StatementPayload(msgspec.Struct, frozen=True):
    """How the estimates of a release were made, for whoever publishes or reads them."""

    survey: SurveyId
    question: QuestionId
    title: Annotated[str, Meta(description="Heading of the statement.")]
    release_id: Annotated[str, Meta(description="The release that it is about.")]
    release_number: Annotated[int, Meta(description="Its number.")]
    survey_version: Annotated[int, Meta(description="The version of the survey that it used.")]
    published_at: Annotated[datetime, Meta(description="When the release was published.")]
    current: Annotated[bool, Meta(description="Whether it is the one that is served by default.")]
    data_through: Annotated[date | None, Meta(description="Last day of interviewing in its data.")]
    written_at: Annotated[datetime, Meta(description="When this statement was generated from what is stored.")]
    text: Annotated[str, Meta(description="The question as the survey declares it.")]
    universe: Annotated[str, Meta(description="Whom the estimates describe.")]
    n_interviews: Annotated[
        int | None,
        Meta(
            description="Sample size: interviews in the model, perturbed as in the estimates; null below the smallest "
            "count shown."
        ),
    ]
    n_interviews_rounded: Annotated[
        bool, Meta(description="Whether n_interviews is rounded instead, because the counts behind it are deleted.")
    ]
    n_waves: Annotated[int, Meta(description="Waves in the release.")]
    formula: Annotated[str, Meta(description="The model.")]
    priors: Annotated[dict[str, str], Meta(description="Prior of every term, in words.")]
    engine: Annotated[str, Meta(description="How the model was fitted.")]
    versions: Annotated[dict[str, str], Meta(description="Software that made the fit, and its versions.")]
    answers: Annotated[bool, Meta(description="Whether its estimates can be asked for: its draws are kept.")]
    confirmation: ConfirmationPayload
    sections: Annotated[list[StatementSection], Meta(description="The statement, in the order in which it is read.")]
