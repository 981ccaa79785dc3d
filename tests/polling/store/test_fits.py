"""Fits are named by their content and keep what makes them repeatable."""

import pytest

from polling.errors import DrawsNotFound, FitNotFound
from polling.store import erasure, fits
from polling.store.engine import Store

from .conftest import NOW, n_rows, new_fit, seconds


def save(store: Store, at: float = 0, **changes: object) -> str:
    with store.write() as session:
        return fits.save_fit(session, new_fit(**changes), now=NOW + seconds(at))


def test_a_fit_comes_back_as_it_was_saved(survey_store: Store):
    fit_id = save(survey_store)
    fit = new_fit()
    with survey_store.read() as session:
        record = fits.get_fit(session, fit_id)
        assert fits.list_fits(session, "demo", "vote") == [record]
        assert fits.load_draws(session, fit_id) == fit.draws
        assert fits.load_counts(session, fit_id) == fit.counts
        assert fits.load_design(session, fit_id) == fit.design
        assert fits.load_diagnostics(session, fit_id) == fit.diagnostics
    same = set(record.__dataclass_fields__) & set(fit.__dataclass_fields__)
    assert {name: getattr(record, name) for name in same} == {name: getattr(fit, name) for name in same}
    assert record.created_at == NOW


def test_the_identical_fit_is_stored_once(survey_store: Store):
    first = save(survey_store)
    again = save(survey_store, at=60, seconds={"fit": 9.0}, data_sequence=4)
    with survey_store.read() as session:
        assert (n_rows(session, "fit"), n_rows(session, "fit_draws")) == (1, 1)
        kept = fits.get_fit(session, first)
    assert again == first
    assert (kept.created_at, kept.seconds) == (NOW, {"fit": 1.25})
    assert kept.data_sequence == 4  # the same inputs are all there is at change 4 as well


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"engine": "laplace"},
        {"formula": "1"},
        {"question_id": "tax"},
        {"inputs": {"waves": ["w1", "w2"]}},
        {"priors": {}},
        {"settings": {}},
        {"versions": {}},
    ],
)
def test_anything_that_changes_the_draws_is_another_fit(sqlite_store: Store, change: dict[str, object]):
    from polling.store import surveys

    from .conftest import small_bundle

    with sqlite_store.write() as session:
        surveys.add_survey(session, small_bundle(), now=NOW)
    assert save(sqlite_store) != save(sqlite_store, **change)


def test_a_fit_without_draws_says_so(survey_store: Store):
    fit_id = save(survey_store, draws=None, counts=None, publishable=False)
    with survey_store.read() as session:
        with pytest.raises(DrawsNotFound, match="No draws are kept"):
            fits.load_draws(session, fit_id)
        with pytest.raises(DrawsNotFound, match="No counts are kept"):
            fits.load_counts(session, fit_id)


def test_an_unknown_fit_is_not_found(survey_store: Store):
    with survey_store.read() as session:
        for look in (fits.get_fit, fits.load_draws, fits.load_counts, fits.load_design, fits.load_diagnostics):
            with pytest.raises(FitNotFound):
                look(session, "nothing")


def test_fits_are_listed_newest_first(survey_store: Store):
    older, newer = save(survey_store, seed=1), save(survey_store, at=1, seed=2)
    with survey_store.read() as session:
        assert [record.id for record in fits.list_fits(session, "demo", "vote")] == [newer, older]
        assert fits.list_fits(session, "demo", "tax") == []


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, True),
        ({"data_sequence": 3}, True),
        ({"data_sequence": 5}, False),
        ({"survey_version": 2}, False),
        ({"question_id": "tax"}, False),
        ({"survey_id": "other"}, False),
    ],
)
def test_a_fit_has_seen_what_came_up_to_its_change(survey_store: Store, asked: dict[str, object], seen: bool):
    save(survey_store, data_sequence=4, publishable=False)
    about = {"survey_id": "demo", "question_id": "vote", "survey_version": 1, "data_sequence": 4} | asked
    with survey_store.read() as session:
        assert fits.has_seen(session, about.pop("survey_id"), about.pop("question_id"), **about) is seen


def test_second_draws_are_kept_and_forgotten_with_the_first(survey_store: Store):
    with survey_store.write() as session:
        fit_id = fits.save_fit(session, new_fit(second=b"second"), now=NOW)
        plain = fits.save_fit(session, new_fit(seed=5), now=NOW)
    with survey_store.write() as session:
        assert fits.load_second(session, fit_id) == b"second"
        assert fits.load_second(session, plain) is None
        erasure.forget_fits(session, [fit_id])
        assert fits.load_second(session, fit_id) is None
