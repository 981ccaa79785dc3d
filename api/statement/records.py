"""What is stored of a release and of the waves behind it: everything that its disclosure statement says."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

import polars as pl
from sqlalchemy.orm import Session

from api.populations import Populations, find_populations
from api.shown_counts import shown_counts
from jobs.refit import electorate_of
from jobs.wave_facts import facts_of
from mrp.electorate import Electorate
from polling.bundle import SurveyBundle
from polling.declaration import Question, SurveyDeclaration
from polling.disclosure import DisclosureRules, rounded_count
from polling.errors import DrawsNotFound
from polling.secrets import SecretsFile
from polling.store import checks, confirmations, fits, releases, serving, surveys, waves
from polling.store.checks import ConcernRecord
from polling.store.fit_inputs import partners_noted
from polling.store.fit_waves import FitWave, waves_noted, waves_of_fit
from polling.store.records import FitRecord, QuestionStateRecord, ReleaseRecord
from polling.store.release_records import ConfirmationRecord, ServingRecord
from polling.store.restatement import RestatedWave, restated_waves
from polling.store.wave_records import HELD, WITHDRAWN, WaveRecord

__all__ = ["NOT_TOLD", "Records", "read_records"]

NOT_TOLD = "not told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """All that a statement is made from."""

    release: ReleaseRecord
    fit: FitRecord
    state: QuestionStateRecord
    bundle: SurveyBundle
    """Of the version of the survey that the fit used."""
    design: Mapping[str, Any]
    diagnostics: Mapping[str, Any]
    confirmation: ConfirmationRecord | None
    concerns: tuple[ConcernRecord, ...] | None
    """What checks of the fit found; None before they were made."""
    successor: ServingRecord | None
    """What was served after it; None while it is served."""
    restated: tuple[RestatedWave, ...]
    waves: tuple[FitWave, ...]
    partners: Mapping[str, tuple[FitWave, ...]]
    """The questions that were fitted together with it, and the waves whose interviews on them were used."""
    not_counted: tuple[WaveRecord, ...]
    """Waves that asked the question and are withdrawn or held now."""
    shown: pl.DataFrame | None
    """Interviews by cell as they may be told in groups; None once they are deleted."""
    n_shown: int | None
    """Interviews in the model, as they may be told."""
    is_rounded: bool
    rules: DisclosureRules
    populations: Populations
    """Whom estimates can be about besides everybody."""

    @property
    def declaration(self) -> SurveyDeclaration:
        """What the survey declared."""
        return self.bundle.declaration

    @property
    def question(self) -> Question:
        """What was asked."""
        return self.declaration.question(self.release.question_id)

    @property
    def correlations(self) -> tuple[Mapping[str, Any], ...]:
        """What the fit found of those between questions that were fitted together."""
        joint = self.diagnostics.get("joint")
        return tuple(joint.get("correlations", ())) if isinstance(joint, dict) else ()

    def told(self, item: str) -> dict[str, list[FitWave]]:
        """What is told of an item, by the waves or else the survey -> the waves of which it is told."""
        found: dict[str, list[FitWave]] = {}
        for wave in self.waves:
            found.setdefault(str(facts_of(self.declaration, wave.facts).get(item, NOT_TOLD)), []).append(wave)
        return found or {str(facts_of(self.declaration, {}).get(item, NOT_TOLD)): []}


def read_records(session: Session, release: ReleaseRecord, secrets: SecretsFile, rules: DisclosureRules) -> Records:
    """Read everything about a release; its draws are not needed."""
    fit = fits.get_fit(session, release.fit_id)
    state = releases.question_state(session, release.survey_id, release.question_id)
    bundle = surveys.get_survey(session, release.survey_id, release.survey_version).bundle
    shown = _shown(session, release, electorate_of(bundle), secrets)
    return Records(
        release=release,
        fit=fit,
        state=state,
        bundle=bundle,
        design=cast("dict[str, Any]", fits.load_design(session, fit.id) or {}),
        diagnostics=cast("dict[str, Any]", fits.load_diagnostics(session, fit.id) or {}),
        confirmation=confirmations.find_confirmation(session, fit.id),
        concerns=checks.concerns_of(session, fit.id),
        successor=None if state.release_id == release.id else serving.successor(session, release),
        restated=restated_waves(session, release),
        waves=tuple(waves_of_fit(session, fit)),
        partners={
            name: tuple(waves_noted(session, of.get("waves", [])))
            for name, of in partners_noted(fit.inputs).items()
            if of is not None
        },
        not_counted=tuple(
            wave
            for wave in waves.list_waves(session, release.survey_id)
            if wave.state in (WITHDRAWN, HELD) and release.question_id in wave.questions
        ),
        shown=shown,
        n_shown=rules.shown_interviews(rounded_count(release.n_interviews) if shown is None else int(shown["n"].sum())),
        is_rounded=shown is None,
        rules=rules,
        populations=find_populations(session, release),
    )


def _shown(
    session: Session, release: ReleaseRecord, electorate: Electorate, secrets: SecretsFile
) -> pl.DataFrame | None:
    """The interviews behind the release, as estimates tell them; None once their counts are gone."""
    try:
        counts = pl.read_parquet(BytesIO(fits.load_counts(session, release.fit_id)))
    except DrawsNotFound:
        return None
    return shown_counts(counts, electorate, release, key=secrets.disclosure_key())
