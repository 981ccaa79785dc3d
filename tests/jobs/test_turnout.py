"""Who belongs to the population of a question, as jobs read it, and what a score says that does not know it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from jobs.backtest_among import among_of
from jobs.backtest_basis import chain_among
from jobs.turnout import turnout_of
from mrp.design import build_design
from mrp.electorate import Electorate
from mrp.errors import DrawsError
from mrp.latents import LatentDraws
from polling.bundle import SurveyBundle
from polling.population import Population
from polling.store import fits, releases, surveys
from polling.store.engine import Store
from polling.store.records import ReleaseRecord
from tests.polling.store.conftest import new_fit, small_bundle

BEGIN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def bundle(population: str | None = "payers") -> SurveyBundle:
    """A survey whose question "tax" tells whom its question "vote" is about."""
    made = small_bundle()
    questions = tuple(
        replace(one, population=population) if one.id == "vote" else one for one in made.declaration.questions
    )
    payers = Population("payers", "those who pay", "tax")
    return replace(made, declaration=replace(made.declaration, questions=questions, populations=(payers,)))


def publish(store: Store, question: str, *, hour: int, **fitted: object) -> ReleaseRecord:
    with store.write() as session:
        now = BEGIN + timedelta(hours=hour)
        fit = replace(new_fit(question_id=question, **fitted), seed=hour)
        return releases.publish(session, fit_id=fits.save_fit(session, fit, now=now), now=now)


def test_what_tells_whom_a_release_is_about_is_read_as_it_was_fitted(store: Store):
    survey = bundle()
    with store.write() as session:
        surveys.add_survey(session, survey, now=BEGIN)
    vote = publish(store, "vote", hour=0)
    with (
        store.read() as session,
        pytest.raises(DrawsError, match=r"about those who pay, and question tax, .* has no release"),
    ):
        turnout_of(session, vote, survey.declaration)

    people = Electorate(
        survey.frame.filter(survey.frame["n_people"] > 0),
        survey.districts.drop("neighbours"),
        district="place",
        demographics=survey.declaration.levels,
    )
    design = build_design("(1|age)", people)
    drawn = np.random.default_rng(3).normal(0, 1, (6, design.n_latents)).astype(np.float32)
    latents = LatentDraws(drawn, design.latent_names)
    publish(store, "tax", hour=1, design=design.to_json(), draws=latents.to_bytes())
    with store.read() as session:
        (one,) = turnout_of(session, vote, survey.declaration)
        assert turnout_of(session, vote, bundle("everybody").declaration) == ()
        assert turnout_of(session, vote, bundle(None).declaration) == ()
    assert one.design.formula == "(1|age)"
    assert one.latents.draws.tolist() == drawn.tolist()


def test_a_backtest_without_what_tells_the_population_says_that_it_scores_everybody(store: Store):
    chain = chain_among(bundle().declaration, "vote")
    assert [one.id for one in chain] == ["payers"]
    with store.read() as session:
        turnout, (warning,) = among_of(session, chain, {"vote": "x", "tax": None})
    assert turnout == ()
    assert warning.startswith("the question is about those who pay, and there is no fit of question tax")
    assert chain_among(bundle().declaration, "tax") == ()
    assert chain_among(bundle("everybody").declaration, "vote") == ()
