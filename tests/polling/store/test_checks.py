"""What checks of a fit found is kept with it, told in order, replaced by a later check, and gone with erased data."""

from polling.store import checks, erasure, fits, queue, releases
from polling.store.engine import Store
from polling.store.records import ReleaseRecord
from polling.store.tables import Fit

from .conftest import NOW, new_fit, seconds

KINDS = ("posterior-predictive", "loo")


def concern(sentence: str, severity: str = "notable", strength: float = 2.0) -> dict[str, object]:
    return {
        "kind": "misfit",
        "severity": severity,
        "columns": ["pollster"],
        "levels": ["Blue"],
        "size": -0.06,
        "strength": strength,
        "sentence": sentence,
        "advice": "look",
    }


def release(store: Store, at: float = 0, **changes: object) -> ReleaseRecord:
    with store.write() as session:
        fit_id = fits.save_fit(session, new_fit(**changes), now=NOW)
        return releases.publish(session, fit_id=fit_id, now=NOW + seconds(at))


def keep(store: Store, one: ReleaseRecord, kind: str = KINDS[0], *concerns: object, content: object = "all") -> None:
    with store.write() as session:
        checks.add_check(session, one, kind=kind, content=content, concerns=concerns, now=NOW)


def unchecked(store: Store) -> list[str]:
    with store.read() as session:
        return [one.id for one in checks.unchecked(session, kinds=KINDS, job="check")]


def test_what_was_found_is_told_grave_first_and_then_the_strongest(survey_store: Store):
    one = release(survey_store)
    keep(survey_store, one, KINDS[0], concern("weak", strength=1), concern("strong", strength=9))
    keep(survey_store, one, KINDS[1], concern("grave", "grave", strength=4))

    with survey_store.read() as session:
        found = checks.concerns_of(session, one.fit_id)

    assert [(c.check, c.sentence, c.levels) for c in found or ()] == [
        ("loo", "grave", ("Blue",)),
        ("posterior-predictive", "strong", ("Blue",)),
        ("posterior-predictive", "weak", ("Blue",)),
    ]


def test_nothing_found_is_not_the_same_as_not_looked_at(survey_store: Store):
    one = release(survey_store)
    with survey_store.read() as session:
        assert checks.concerns_of(session, one.fit_id) is None
    keep(survey_store, one)
    with survey_store.read() as session:
        assert checks.concerns_of(session, one.fit_id) == ()


def test_a_later_check_of_a_kind_takes_the_place_of_the_first_and_answers_in_memory_learn_of_it(survey_store: Store):
    one = release(survey_store)
    keep(survey_store, one, KINDS[0], concern("old"), content={"n": 1})
    with survey_store.read() as session:
        before = releases.question_state(session, "demo", "vote").version
    keep(survey_store, one, KINDS[0], content={"n": 2})

    with survey_store.read() as session:
        assert [(c.kind, c.content, c.concerns) for c in checks.checks_of(session, one.fit_id)] == [
            (KINDS[0], {"n": 2}, [])
        ]
        assert releases.question_state(session, "demo", "vote").version > before


def test_a_release_is_unchecked_until_every_kind_of_check_was_made(survey_store: Store):
    one = release(survey_store)
    other = release(survey_store, at=1, question_id="tax")
    keep(survey_store, one, KINDS[0])
    assert unchecked(survey_store) == [one.id, other.id]
    keep(survey_store, one, KINDS[1])
    assert unchecked(survey_store) == [other.id]


def test_what_is_not_served_any_more_is_not_checked(survey_store: Store):
    release(survey_store)
    newer = release(survey_store, at=1, seed=2)

    assert unchecked(survey_store) == [newer.id]


def test_a_release_whose_check_failed_is_left_alone(survey_store: Store):
    release(survey_store)
    with survey_store.write() as session:
        queue.ask(
            session,
            kind="check",
            key="demo/vote",
            survey_id="demo",
            question_id="vote",
            now=NOW + seconds(1),
            quiet=seconds(0),
            patience=seconds(0),
        )
        claim = queue.claim(session, owner="w", now=NOW + seconds(2), lease=seconds(9))
        assert claim is not None
        queue.fail(session, claim, now=NOW + seconds(3), code="check-refused", detail="no")

    assert unchecked(survey_store) == []


def test_checks_go_with_the_draws_of_a_fit_that_somebody_was_erased_from(survey_store: Store):
    one = release(survey_store)
    keep(survey_store, one, KINDS[0], concern("misfit"))
    with survey_store.write() as session:
        session.get_one(Fit, one.fit_id).contains_erased_at = NOW
    assert unchecked(survey_store) == []
    with survey_store.write() as session:
        erasure.forget_fits(session, [one.fit_id])

    with survey_store.read() as session:
        assert checks.checks_of(session, one.fit_id) == []
        assert checks.concerns_of(session, one.fit_id) is None


def test_a_release_that_is_too_young_can_be_left_out(survey_store: Store):
    one = release(survey_store)
    other = release(survey_store, at=60, question_id="tax")

    with survey_store.read() as session:
        for before, expected in ((NOW + seconds(59), [one.id]), (NOW + seconds(60), [one.id, other.id])):
            found = checks.unchecked(session, kinds=KINDS, job="check", published_before=before)
            assert [each.id for each in found] == expected
