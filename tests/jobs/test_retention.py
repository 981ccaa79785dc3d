"""A purge leaves counts per cell, and what is counted from them is what was counted before."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from jobs.counting import count_interviews
from jobs.errors import FitImpossible
from jobs.receive import receive_wave
from jobs.refit import prepare_refit
from jobs.retention import formulas_without_counts, preview, purge
from jobs.settings import Settings
from jobs.survey import add_survey, load_survey, update_survey
from jobs.tasks import house_tasks
from polling.bundle import SurveyBundle
from polling.declaration import Demographic, Geography, Question, Retention, SurveyDeclaration, TimeRule
from polling.purged import counts_of, kept_of, reduce_to_counts
from polling.secrets import SecretsFile
from polling.store import audit, fits, outbox, queue, releases, surveys, waves
from polling.store.engine import Store
from polling.store.wave_events import changes_after, list_events
from tests.jobs.house import House

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(days=40)
CELL = ("place", "age", "educ", "job")
PLACES, AGES, ANSWERS = ("A", "B"), ("young", "old"), ("yes", "no", "dk", "")


def survey(model: str = "(1|age)", *, days: int | None = 30, min_cell: int = 1, **changes: object) -> SurveyDeclaration:
    question = Question(id="tax", column="tax", text="?", kind="binary", options=("yes", "no"), model=model)
    question = replace(question, dont_know=("dk",), **changes)
    return SurveyDeclaration(
        id="small",
        title="Small",
        universe="Adults",
        columns={"respondent": "id", "date": "day", "weight": "w"},
        geography=Geography(district="place", column="place", districts_file="d", codes=PLACES),
        demographics=(Demographic(name="age", column="age", levels=AGES),),
        questions=(question,),
        frame_file="f",
        time=TimeRule("week"),
        retention=Retention(days, min_cell),
    )


def bundle(declaration: SurveyDeclaration) -> SurveyBundle:
    cells = [(place, age, 100.0) for place in PLACES for age in AGES]
    frame = pl.DataFrame(cells, schema=["place", "age", "n_people"], orient="row")
    return SurveyBundle(declaration, frame, pl.DataFrame({"code": PLACES, "name": PLACES}))


def interviews(n: int = 40) -> pl.DataFrame:
    rows = [
        (
            f"r{i}",
            PLACES[i % 2],
            AGES[(i // 2) % 2],
            ANSWERS[(i * 7 + i // 3) % 4],
            f"2026-02-{16 + i % 10}",
            str(1 + (i % 3) / 2),
        )
        for i in range(n)
    ]
    return pl.DataFrame(rows, schema=["id", "place", "age", "tax", "day", "w"], orient="row")


class Small:
    """A survey with one wave, whose interviews may be purged."""

    def __init__(self, store: Store, folder: Path, declaration: SurveyDeclaration) -> None:
        self.store, self.secrets, self.declaration = store, SecretsFile(folder / "s.toml"), declaration
        add_survey(store, self.secrets, bundle(declaration), actor="test", now=NOON)

    def push(self, reference: str, table: pl.DataFrame, **about: object) -> None:
        told = {"survey_id": "small", "pollster": "Acme", "reference": reference, "actor": "test", "now": NOON}
        told |= {"fieldwork_start": date(2026, 2, 16), "fieldwork_end": date(2026, 2, 28)} | about
        receive_wave(self.store, self.secrets, Settings(), content=table.write_csv().encode(), **told)

    def purge(self, now: datetime = LATER) -> int:
        with self.store.write() as session:
            return len(purge(session, self.secrets, "small", now=now, actor="test").waves)

    def counts(self) -> pl.DataFrame:
        with self.store.read() as session:
            question = self.declaration.questions[0]
            return count_interviews(session, self.declaration, question).counts


@pytest.mark.parametrize("weights", ["ignored", "likelihood"])
@pytest.mark.parametrize("model", ["(1|age)", "(1|age) + rw1(period) + house(pollster)"])
def test_counts_from_a_purged_wave_are_those_of_its_interviews(
    sqlite_store: Store, tmp_path: Path, model: str, weights: str
):
    small = Small(sqlite_store, tmp_path, survey(model, weights=weights, base=("answered", "dont_know")))
    small.push("w1", interviews())
    small.push("w2", interviews(70).tail(30).drop("w").with_columns(w=pl.lit("1")), pollster="Other")
    before = small.counts()

    assert small.purge(NOON + timedelta(days=20)) == 0
    assert small.purge() == 2

    assert_frame_equal(small.counts(), before, rel_tol=1e-12)


def test_a_purge_leaves_no_interview_and_says_so(store: Store, tmp_path: Path):
    small = Small(store, tmp_path, survey())
    small.push("w1", interviews())
    small.push("w1", interviews(30), replaces="w1", reason="x")

    assert small.purge() == 1
    assert small.purge() == 0

    with store.read() as session:
        [wave] = waves.list_waves(session, "small")
        assert [waves.load_payloads(session, wave, version=version) for version in (1, 2)] == [[], []]
        assert [event.kind for event in list_events(session, wave.id)] == ["received", "replaced", "purged"]
        assert [one.action for one in audit.read_entries(session, survey_id="small")][-1] == "wave-purged"
        assert wave.n_interviews == 30


def test_the_refit_says_what_was_merged_and_dropped(sqlite_store: Store, tmp_path: Path):
    small = Small(sqlite_store, tmp_path, survey(min_cell=8))
    small.push("w1", interviews())
    before = small.counts()
    small.purge()

    with small.store.read() as session:
        prepared = prepare_refit(session, Settings(), survey_id="small", question_id="tax")

    purged = prepared.inputs["purged"]
    assert purged["n_waves"] == 1
    assert purged["min_cell"] == 8
    assert purged["n_dropped"] > 0
    assert prepared.n_interviews < before["n"].sum()


def demographic(name: str) -> Demographic:
    return Demographic(name=name, column=name, levels=("a", "b", "c", "d"))


def fine(model: str = "(1|age)", **about: object) -> tuple[SurveyDeclaration, pl.DataFrame]:
    """A survey with two demographics that no formula reads, and interviews of which each is alone in its cell."""
    base = survey(model, **about)
    declaration = replace(base, demographics=(*base.demographics, demographic("educ"), demographic("job")))
    table = interviews(64).with_columns(
        educ=pl.Series([("a", "b", "c", "d")[(i // 4) % 4] for i in range(64)]),
        job=pl.Series([("a", "b", "c", "d")[(i // 16) % 4] for i in range(64)]),
    )
    return declaration, table


def finely(store: Store, folder: Path, model: str = "(1|age)", **about: object) -> Small:
    declaration, table = fine(model, **about)
    small = Small.__new__(Small)
    small.store, small.secrets, small.declaration = store, SecretsFile(folder / "s.toml"), declaration
    cells = [(p, a, e, j, 10.0) for p in PLACES for a in AGES for e in "abcd" for j in "abcd"]
    frame = pl.DataFrame(cells, schema=["place", "age", "educ", "job", "n_people"], orient="row")
    districts = pl.DataFrame({"code": PLACES, "name": PLACES})
    add_survey(store, small.secrets, SurveyBundle(declaration, frame, districts), actor="test", now=NOON)
    small.push("w1", table)
    return small


def test_demographics_that_no_formula_reads_are_merged_away_so_that_few_cells_are_small(
    sqlite_store: Store, tmp_path: Path
):
    small = finely(sqlite_store, tmp_path, min_cell=3)
    before = small.counts().group_by("place", "age").agg(pl.col("n", "y").sum()).sort("place", "age")
    small.purge()

    with small.store.read() as session:
        prepared = prepare_refit(session, Settings(), survey_id="small", question_id="tax")

    after = prepared.request.counts
    assert_frame_equal(after.group_by("place", "age").agg(pl.col("n", "y").sum()).sort("place", "age"), before)
    assert prepared.inputs["purged"]["n_dropped"] == 0
    assert prepared.inputs["purged"]["merged_away"] == ["educ", "job"]
    assert after["educ"].null_count() == after.height


def test_counts_with_and_without_a_demographic_are_counted_together(sqlite_store: Store, tmp_path: Path):
    small = finely(sqlite_store, tmp_path, min_cell=3)
    before = small.counts()["n"].sum()
    small.purge()
    table = fine()[1].with_columns(id="n" + pl.col("id"), day=pl.lit("2026-04-01"))
    dates = {"fieldwork_start": date(2026, 4, 1), "fieldwork_end": date(2026, 4, 2), "now": LATER}
    small.push("w2", table, **dates)

    counts = small.counts()

    assert counts["n"].sum() == 2 * before
    assert 0 < counts["educ"].null_count() < counts.height


def test_a_later_formula_that_reads_what_was_merged_away_is_refused_and_says_why(sqlite_store: Store, tmp_path: Path):
    small = finely(sqlite_store, tmp_path, min_cell=3)
    small.purge()
    question = replace(small.declaration.questions[0], model="(1|age) + (1|educ)")
    small.declaration = replace(small.declaration, questions=(question,))

    with pytest.raises(FitImpossible, match="they do not tell educ apart: no formula read it when") as refused:
        small.counts()
    assert refused.value.code == "wave-not-convertible"

    with small.store.read() as session:
        assert formulas_without_counts(session, "small") == []
    frame = pl.DataFrame([("A", "young", "a", "a", 10.0)], schema=[*CELL, "n_people"], orient="row")
    newer = SurveyBundle(small.declaration, frame, pl.DataFrame({"code": PLACES, "name": PLACES}))
    with small.store.write() as session:
        surveys.update_survey(session, newer, now=LATER)
        (warning,) = formulas_without_counts(session, "small")
    assert "The formula of tax reads educ, which the counts of 1 purged wave do not tell apart, w1" in warning


def test_a_purge_makes_nothing_stale_and_asks_for_no_refit(sqlite_store: Store, tmp_path: Path):
    small = Small(sqlite_store, tmp_path, survey())
    small.push("w1", interviews())
    with small.store.read() as session:
        asked = [(job.id, job.asked) for job in queue.list_jobs(session, "small") if job.kind == "refit"]
    small.purge()

    with small.store.write() as session:
        [job] = [job for job in queue.list_jobs(session, "small") if job.kind == "refit"]
        assert [(job.id, job.asked)] == asked
        assert changes_after(session, "small", 1) == []


def test_what_a_purge_will_leave_out_is_told_before_and_as_an_alarm(
    sqlite_store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    small = finely(sqlite_store, tmp_path, "(1|age) + (1|educ) + (1|job)", min_cell=3)
    with small.store.read() as session:
        expected = preview(session, "small", now=LATER)
    [loss] = expected.losses
    assert (loss.n_left_out, loss.is_large) == (loss.n_interviews, True)

    with caplog.at_level("WARNING", "hustings.retention"):
        small.purge()

    assert "100% of its interviews out of question tax" in caplog.text
    with small.store.read() as session:
        events = {event.kind: event.payload for event in outbox.read_after(session, 0)}
    assert events["interviews-left-out"]["share"] == 1.0


def test_a_refit_from_which_much_is_left_out_warns_in_its_verdict(house: House):
    bundle = load_survey(house.written.path)
    declared = replace(bundle.declaration, retention=Retention(30, 5))
    update = replace(bundle, declaration=declared)
    update_survey(house.store, house.secrets, house.settings, update, actor="test", now=house.now)
    question = house.push(1).wave.questions[0]
    house.wait(60 * 86_400)
    with house.store.write() as session:
        [loss, *_] = purge(session, house.secrets, "demo", now=house.now, actor="test").losses
    assert loss.is_large
    house.push(2)
    house.wait(60)
    worker = house.worker()
    while worker.turn(house.now):
        house.wait(1)

    with house.store.read() as session:
        release = releases.current_release(session, "demo", question)
        assert release is not None
        fit = fits.get_fit(session, release.fit_id)
        [job] = [
            job
            for job in queue.list_jobs(session, "demo", question_id=question)
            if job.kind == "refit" and job.code == "published"
        ]

    [warning] = fit.verdict["warnings"]
    share = loss.n_left_out / (loss.n_left_out + fit.n_interviews)
    assert f"about {5 * round(20 * share)}% of the interviews are left out" in warning
    assert str(loss.n_left_out) not in warning
    assert warning in str(job.detail)


def test_a_purge_waits_for_the_end_of_the_retention_and_there_may_be_none(sqlite_store: Store, tmp_path: Path):
    small = Small(sqlite_store, tmp_path, survey(days=None))
    small.push("w1", interviews())

    assert small.purge(NOON + timedelta(days=9999)) == 0


def test_the_clock_purges(sqlite_store: Store, tmp_path: Path):
    small = Small(sqlite_store, tmp_path, survey())
    small.push("w1", interviews())
    settings = replace(Settings(), secrets_file=tmp_path / "s.toml")
    [task] = [task for task in house_tasks(settings) if task.name == "purge"]

    with sqlite_store.write() as session:
        task.run(session, LATER)

    assert small.purge() == 0


def test_a_level_that_was_renamed_since_is_followed_and_one_that_went_is_refused(sqlite_store: Store, tmp_path: Path):
    small = Small(sqlite_store, tmp_path, survey())
    small.push("w1", interviews())
    before = small.counts()
    small.purge()
    old = small.declaration.demographics[0]

    renamed = replace(old, levels=("18-34", "35+"), recode={"young": "18-34", "old": "35+"})
    small.declaration = replace(small.declaration, demographics=(renamed,))
    assert small.counts()["n"].sum() == before["n"].sum()

    small.declaration = replace(small.declaration, demographics=(replace(renamed, recode={"young": "18-34"}),))
    with pytest.raises(FitImpossible, match="they have 'old' for age"):
        small.counts()


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(AGES), st.sampled_from(ANSWERS), st.integers(16, 25)),
        max_size=40,
    ),
    st.integers(1, 5),
)
def test_no_cell_that_is_kept_is_small_and_nobody_is_lost_uncounted(rows: list[tuple[str, str, str, int]], k: int):
    table = pl.DataFrame(
        [(f"r{i}", *row[:3], f"2026-02-{row[3]}", "1") for i, row in enumerate(rows)],
        schema=dict.fromkeys(("id", "place", "age", "tax", "day", "w"), pl.String),
        orient="row",
    ).with_columns(pl.col("tax").replace("", None))

    content = reduce_to_counts(table, survey(min_cell=k), pollster="Acme")

    kept, left = kept_of(content)["tax"], counts_of(content, "tax")
    said = [row for row in rows if row[2]]
    assert kept.n_kept == left["n"].sum()
    assert kept.n_kept + kept.n_dropped == len(said)
    per_day = left.group_by("place", "age", "date").agg(pl.col("n").sum())
    assert (per_day["n"] >= k).all()
    for place, age in {row[:2] for row in said}:
        n = sum(row[:2] == (place, age) for row in said)
        found = left.filter(pl.col("place") == place, pl.col("age") == age)
        assert found["n"].sum() == (n if n >= k else 0)
        yes = found.filter(pl.col("answer") == "yes")["n"].sum()
        assert yes == (sum(row[:3] == (place, age, "yes") for row in said) if n >= k else 0)


def test_what_the_codebook_cannot_read_any_more_is_dropped_and_counted():
    content = reduce_to_counts(interviews().with_columns(age=pl.lit("ancient")), survey(), pollster="Acme")

    assert kept_of(content)["tax"].n_kept == 0
    assert kept_of(content)["tax"].n_dropped == 40
