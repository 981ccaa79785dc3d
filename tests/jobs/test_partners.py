"""Questions that share a label: one joint fit, a release of each."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from api.cli import cli
from api.statement import statement_of
from fixtures.survey_folder import WrittenSurvey
from jobs import wave_life
from jobs.check import prepare_check
from jobs.check_candidates import compare_candidates
from jobs.check_made import not_alone
from jobs.confirm import prepare_confirmation
from jobs.erasure import erase
from jobs.errors import FitImpossible
from jobs.fit_process import fit
from jobs.fit_request import FitRequest, FitResult
from jobs.partners import partners_of
from jobs.refit import electorate_of, prepare_refit
from jobs.settings import Settings
from jobs.survey import formula_problems, load_survey
from jobs.sweep import sweep
from jobs.versions import versions
from mrp.contrast import lead
from mrp.design import Design
from mrp.latents import LatentDraws
from mrp.poststratification import area_draws
from polling.declaration import Question
from polling.disclosure import DisclosureRules
from polling.errors import ReleaseRefused
from polling.store import erasure, fits, queue, releases
from polling.store.records import FitRecord, ReleaseRecord
from tests.jobs.house import FakeFit, House, furnish

MODEL = "last_share + (1|p|district) + (1|age)"
BOTH = ("rail", "voting_age")


def in_here(request: FitRequest, settings: Settings, *, beat: Callable[..., bool], stop: Any) -> FitResult:
    return fit(request, progress=StringIO())


@dataclass
class Counted:
    """Fits for all partners, and says whom it was asked for; by default without taking time."""

    fit: Callable[..., FitResult] | None = None
    questions: list[str] = field(default_factory=list)
    before_end: Callable[[], None] = lambda: None

    def __call__(self, request: FitRequest, settings: Settings, **how: Any) -> FitResult:
        self.questions.append(request.question)
        result = self.fit(request, settings, **how) if self.fit else self._fake(request, settings, **how)
        self.before_end()
        return result

    def _fake(self, request: FitRequest, settings: Settings, **how: Any) -> FitResult:
        made = {
            one.id: FakeFit()(replace(request, outcome=one.outcome, formula=one.formula), settings, **how)
            for one in request.partners
        }
        others = {name: replace(one, versions=versions()) for name, one in made.items()}
        return replace(FakeFit()(request, settings, **how), versions=versions(), others=others)


def with_labels(written: WrittenSurvey, folder: Path, *, model: str = MODEL, period: str = "week") -> WrittenSurvey:
    """A copy of the survey in which both questions have this formula."""
    shutil.copytree(written.path, folder)
    toml = folder / "survey.toml"
    text = re.sub(r'(?m)^model = ".*"$', f'model = "{model}"', toml.read_text())
    text = re.sub(r'(?m)^period = ".*"$', f'period = "{period}"', text)
    # Fits that take no time predict nothing, and small waves scatter.
    toml.write_text(f"{text}\n[quality]\nsurprise = false\nduplicates = false\ndrift = false\ncomposition = false\n")
    return replace(written, path=folder)


def without(house: House, number: int, *questions: str) -> bytes:
    """A wave that did not ask some questions."""
    sent = pl.read_csv(BytesIO(house.written.waves[number - 1].path.read_bytes()), infer_schema=False)
    declaration = load_survey(house.written.path).declaration
    own = declaration.columns_of(house.written.waves[number - 1].pollster)
    return sent.drop(own.get(name, name) for name in questions).write_csv().encode()


def work(house: House, **changes: Any) -> None:
    house.wait(7200)
    worker = house.worker(**changes)
    while worker.turn(house.now):
        pass


def prepared(house: House, question: str) -> Any:
    with house.store.read() as session:
        return prepare_refit(session, house.settings, survey_id="demo", question_id=question)


def served(house: House, question: str) -> tuple[ReleaseRecord, FitRecord]:
    with house.store.read() as session:
        release = releases.current_release(session, "demo", question)
        assert release is not None, [(job.code, job.detail) for job in house.jobs()]
        return release, fits.get_fit(session, release.fit_id)


def queued(house: House) -> set[str | None]:
    return {job.question_id for job in house.jobs("queued") if job.kind == "refit"}


def stale_reason(house: House, question: str) -> str | None:
    with house.store.read() as session:
        return releases.question_state(session, "demo", question).stale_reason


@pytest.fixture(scope="module")
def labelled(written: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> WrittenSurvey:
    return with_labels(written, tmp_path_factory.mktemp("labels") / "survey")


@pytest.fixture
def house(labelled: WrittenSurvey, tmp_path: Path) -> Iterator[House]:
    """Fits take no time in it."""
    with furnish(labelled, tmp_path) as mine:
        yield mine


@pytest.fixture(scope="module")
def fitted(labelled: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which two waves are in a release of each question that was really fitted."""
    with furnish(labelled, tmp_path_factory.mktemp("fitted")) as mine:
        mine.settings = replace(mine.settings, laplace_points=100, laplace_draws=300)
        for number in (1, 2):
            mine.push(number)
        counted = Counted(in_here)
        work(mine, fit=counted)
        assert len(counted.questions) == 1  # for both
        yield mine


def drawn(house: House, question: str) -> tuple[LatentDraws, Design]:
    release, _ = served(house, question)
    with house.store.read() as session:
        latents = LatentDraws.from_bytes(fits.load_draws(session, release.fit_id))
        design: Any = fits.load_design(session, release.fit_id)
    return latents, Design.from_json(design)


def test_releases_of_two_questions_hold_joint_draws(fitted: House, labelled: WrittenSurvey):
    electorate = electorate_of(load_survey(labelled.path))
    parts = [drawn(fitted, question) for question in BOTH]
    rail, votes = (area_draws(latents, design, electorate, by=("district",)) for latents, design in parts)

    assert parts[0][0].fit == parts[1][0].fit
    assert [design.formula for _, design in parts] == [MODEL, MODEL]
    ahead = lead(rail, votes)  # refused of draws that are not joint
    assert len(ahead) == 8
    assert {served(fitted, question)[1].engine for question in BOTH} == {"laplace"}


def test_a_fit_that_a_partner_made_is_stored_and_told_as_its_own(fitted: House):
    (rail, of_rail), (votes, of_votes) = (served(fitted, question) for question in BOTH)

    assert (of_rail.verdict, of_rail.seconds) == (of_votes.verdict, of_votes.seconds)
    assert of_rail.data_sequence == of_votes.data_sequence > 0
    assert of_votes.inputs["partners"]["rail"]["counts_sha256"] == of_rail.inputs["counts_sha256"]  # type: ignore[index,call-overload]
    with fitted.store.read() as session:
        assert fits.load_evidence(session, votes.fit_id) is not None
        assert pl.read_parquet(BytesIO(fits.load_counts(session, votes.fit_id))).height == of_votes.n_cells
        # Each goes by itself.
        copies = [fits.load_draws(session, one.fit_id) for one in (rail, votes)]
    assert copies[0] != copies[1]


def of_question(house: House, question: str) -> list[FitRecord]:
    with house.store.read() as session:
        return fits.list_fits(session, "demo", question)


def test_what_changed_before_the_partners_turn_is_fitted_again(house: House):
    counted = Counted()
    house.push(1)
    house.wait(7200)
    assert house.worker(fit=counted).turn(house.now)
    (first,) = counted.questions
    other = next(name for name in BOTH if name != first)
    (kept,) = of_question(house, other)
    assert (kept.data_sequence, kept.publishable) == (0, of_question(house, first)[0].publishable)
    house.push(2)
    work(house, fit=counted)

    # One fit of both waves, whoever's turn it was; the one of the first wave is found by nobody.
    assert len(counted.questions) == 2
    assert len(of_question(house, other)) == 2


def test_a_partners_refit_that_was_lost_is_asked_for_again(house: House):
    counted = Counted()
    house.push(1)
    house.wait(7200)
    assert house.worker(fit=counted).turn(house.now)
    other = next(name for name in BOTH if name != counted.questions[0])
    with house.store.write() as session:
        for job in queue.list_jobs(session, states=("queued",)):
            queue.cancel(session, job.id, now=house.now)
    house.wait(60)
    with house.store.write() as session:
        sweep(session, house.settings, now=house.now)
    assert queued(house) == {other}
    work(house, fit=counted)
    assert len(counted.questions) == 1


def test_who_is_erased_is_erased_from_what_waits_for_a_partner(house: House):
    counted = Counted()
    house.push(1)
    house.wait(7200)
    assert house.worker(fit=counted).turn(house.now)
    other = next(name for name in BOTH if name != counted.questions[0])
    columns = load_survey(house.written.path).declaration.columns_of(house.written.waves[0].pollster)
    sent = pl.read_csv(house.written.waves[0].path, infer_schema=False)
    somebody = sent[columns["respondent"]][0]
    about = {"survey_id": "demo", "respondent": somebody, "now": house.now, "actor": "test"}
    erase(house.store, house.secrets, house.settings, **about)
    (waiting,) = of_question(house, other)
    assert waiting.contains_erased_at is not None
    work(house, fit=counted)

    assert len(counted.questions) == 2
    with house.store.read() as session:
        assert erasure.unforgotten_fits(session, "demo") == ()
        assert not fits.has_draws(session, waiting.id)


def test_who_was_erased_while_it_was_fitted_is_marked_in_the_partners_too(house: House):
    counted = Counted()
    house.push(1)
    columns = load_survey(house.written.path).declaration.columns_of(house.written.waves[0].pollster)
    somebody = pl.read_csv(house.written.waves[0].path, infer_schema=False)[columns["respondent"]][0]

    def gone() -> None:
        counted.before_end = lambda: None
        about = {"survey_id": "demo", "respondent": somebody, "now": house.now, "actor": "test"}
        erase(house.store, house.secrets, house.settings, **about)

    counted.before_end = gone
    house.wait(7200)
    assert house.worker(fit=counted).turn(house.now)
    for question in BOTH:
        assert all(one.contains_erased_at is not None for one in of_question(house, question))


def test_the_fit_tells_its_partners_and_how_far_they_go_together(fitted: House):
    release, record = served(fitted, "rail")
    with fitted.store.read() as session:
        told: Any = fits.load_diagnostics(session, release.fit_id)

    assert told["joint"]["questions"] == ["rail", "voting_age"]
    (one,) = told["joint"]["correlations"]
    assert (one["term"], one["questions"]) == ("(1|p|district)", ["rail", "voting_age"])
    assert -1 <= one["low"] < one["mean"] < one["high"] <= 1
    assert one["sentence"].startswith("the effects (1|p|district) on rail and voting_age have a correlation of ")
    assert record.priors["correlations of (1|p|district)"] == (  # type: ignore[index,call-overload]
        "correlations between rail and voting_age ~ lkj(2)"
    )
    inputs: Any = record.inputs
    other: Any = served(fitted, "voting_age")[1].inputs
    assert inputs["partners"]["voting_age"]["counts_sha256"] == other["counts_sha256"]
    assert "only where" not in str(record.verdict)


def test_a_confirmation_fits_the_same_questions_together(fitted: House):
    with fitted.store.read() as session:
        asked = prepare_confirmation(session, fitted.settings, survey_id="demo", question_id="rail").request
    refit = prepared(fitted, "rail").request

    assert (asked.engine, asked.question) == ("nuts", "rail")
    assert_frame_equal(asked.partners[0].counts, refit.partners[0].counts)
    assert asked.partners[0].formula == MODEL


def test_checks_that_fit_again_say_that_the_release_is_of_a_joint_fit(fitted: House):
    with fitted.store.read() as session:
        checked = prepare_check(session, fitted.settings, survey_id="demo", question_id="rail")

    said = not_alone(checked)
    assert said is not None
    assert said[0]["skipped"] == (
        "This check fits the question by itself, and the release was fitted together with voting_age."
    )
    with pytest.raises(ReleaseRefused, match="this one was fitted with voting_age"):
        compare_candidates(
            fitted.store,
            fitted.settings,
            survey_id="demo",
            question_id="rail",
            formulas=("(1|district)",),
            fit=lambda _: pytest.fail("nothing is fitted"),
        )


def test_a_confirmation_is_refused_once_the_partners_interviews_are_others(house: House):
    house.push(1)
    house.fit = house.fit.__class__()
    work(house)
    house.push(2)
    with house.store.read() as session, pytest.raises(FitImpossible, match="together with voting_age, and the inter"):
        prepare_confirmation(session, house.settings, survey_id="demo", question_id="rail")


def test_partners_have_one_seed_and_each_the_counts_of_the_other(house: House):
    house.push(1)
    rail, votes = (prepared(house, question).request for question in BOTH)

    assert rail.seed == votes.seed
    assert [one.id for one in rail.partners] == ["voting_age"]
    assert_frame_equal(rail.partners[0].counts, votes.counts)
    assert_frame_equal(votes.partners[0].counts, rail.counts)


def test_a_request_goes_through_the_spool_with_its_partners(house: House, tmp_path: Path):
    house.push(1)
    request = prepared(house, "rail").request
    folder = tmp_path / "spool"
    folder.mkdir()
    request.write(folder)
    back = FitRequest.read(folder)

    assert back.question == "rail"
    assert_frame_equal(back.partners[0].counts, request.partners[0].counts)
    plain = [
        {name: value for name, value in asdict(one.partners[0]).items() if name != "counts"} for one in (back, request)
    ]
    assert plain[0] | {"priors": {}} == plain[1] | {"priors": {}}
    assert dict(back.partners[0].priors) == dict(request.partners[0].priors)


def test_a_partner_without_interviews_is_left_out_and_its_first_wave_refits_both(house: House):
    house.push(1, content=without(house, 1, "voting_age"))
    alone = prepared(house, "rail")
    assert alone.request.partners == ()
    assert alone.inputs["partners"] == {"voting_age": None}
    work(house)
    (warning,) = served(house, "rail")[1].verdict["warnings"]  # type: ignore[index,call-overload]
    assert "voting_age, which the formula's labels name" in str(warning)

    house.push(2, content=without(house, 2, "rail"))
    assert queued(house) == set(BOTH)
    assert [one.id for one in prepared(house, "rail").request.partners] == ["voting_age"]


def test_a_wave_that_asks_only_the_partner_refits_both_and_both_say_what_they_lack(house: House):
    house.push(1)
    work(house)
    assert stale_reason(house, "rail") is None

    wave = house.push(2, content=without(house, 2, "rail")).wave
    assert wave.questions == ("voting_age",)
    assert queued(house) == set(BOTH)
    assert "wave-2" in (stale_reason(house, "rail") or "")
    before = served(house, "rail")[1].seed
    work(house)
    assert stale_reason(house, "rail") is None
    assert served(house, "rail")[1].seed == served(house, "voting_age")[1].seed != before

    about = {"survey_id": "demo", "wave": wave.id}
    wave_life.withdraw(house.store, house.secrets, house.settings, **about, reason="wrong", now=house.now, actor="test")
    assert queued(house) == set(BOTH)


def test_a_wave_that_comes_while_a_question_is_fitted_leaves_its_release_stale(house: House):
    house.push(1)

    def push() -> None:
        house.fit.before_end = lambda: None
        house.push(2, content=without(house, 2, "rail"))

    house.wait(60)
    with house.store.write() as session:
        for job in queue.list_jobs(session, states=("queued",)):
            if job.question_id != "rail":
                queue.cancel(session, job.id, now=house.now)
    house.fit.before_end = push
    assert house.worker().turn(house.now)
    assert "wave-2" in (stale_reason(house, "rail") or "")


def test_a_missing_refit_after_a_partners_wave_is_asked_for_again(house: House):
    house.push(1)
    work(house)
    house.push(2, content=without(house, 2, "rail"))
    with house.store.write() as session:
        for job in queue.list_jobs(session, states=("queued",)):
            queue.cancel(session, job.id, now=house.now)
    house.wait(60)
    with house.store.write() as session:
        sweep(session, house.settings, now=house.now)
    assert queued(house) == set(BOTH)


def test_who_answered_the_partner_alone_is_erased_from_the_fit_of_both(house: House):
    house.push(1, content=without(house, 1, "voting_age"))
    content = without(house, 2, "rail")
    house.push(2, content=content)
    work(house)
    columns = load_survey(house.written.path).declaration.columns_of(house.written.waves[1].pollster)
    somebody = pl.read_csv(BytesIO(content), infer_schema=False)[columns["respondent"]][0]

    erase(
        house.store, house.secrets, house.settings, survey_id="demo", respondent=somebody, now=house.now, actor="test"
    )
    assert queued(house) == set(BOTH)
    with house.store.read() as session:
        for question in BOTH:
            release = releases.current_release(session, "demo", question)
            assert release is not None
            assert release.contains_erased_at is not None
    work(house)
    with house.store.read() as session:
        assert erasure.unforgotten_fits(session, "demo") == ()


def test_periods_that_are_waves_have_one_number_in_both_questions(written: WrittenSurvey, tmp_path: Path):
    model = "(1|p|district) + rw1(period)"
    survey = with_labels(written, tmp_path / "survey", model=model, period="wave")
    with furnish(survey, tmp_path / "house") as house:
        house.push(1, content=without(house, 1, "rail"))
        house.push(2)
        rail = prepared(house, "rail").request

    assert rail.counts["period"].unique().to_list() == ["002 wave-2"]
    assert sorted(rail.partners[0].counts["period"].unique()) == ["001 wave-1", "002 wave-2"]


def question(name: str, model: str, **changes: Any) -> Question:
    plain = Question(id=name, column=name, text=name, kind="binary", options=("yes", "no"), model=model)
    return replace(plain, **changes)


def test_questions_are_fitted_with_all_that_their_labels_lead_to():
    every = (
        question("c", "(1|r|age)"),
        question("a", "(1|p|district)"),
        question("b", "(1|p|district) + (1|r|age)"),
        question("d", "(1|district)"),
        question("e", "(1|q|district)"),
        question("f", "(1|p|district)", dispersion=True),
    )
    assert [[one.id for one in partners_of(of, every)] for of in every] == [
        ["a", "b"],
        ["b", "c"],
        ["a", "c"],
        [],
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "(1|p|age) + (1|district)"}, "the label p has different groupings, (1|p|age) in rail and"),
        ({"dispersion": True}, "the label p is of a joint fit, which knows no dispersion, and rail has dispersion"),
        (
            {"kind": "ordinal", "model": "(1|p|district)"},
            "the label p correlates binary questions, and rail is ordinal; write the term without a label",
        ),
        ({"priors": {"correlation": "lkj(4)"}}, "the correlations of (1|p|district) have the prior lkj(4) in rail and"),
    ],
)
def test_labels_that_cannot_be_fitted_are_refused(labelled: WrittenSurvey, changes: dict[str, Any], sentence: str):
    bundle = load_survey(labelled.path)
    rail, votes = bundle.declaration.questions
    rail = replace(rail, **changes)
    bundle = replace(bundle, declaration=replace(bundle.declaration, questions=(rail, votes)))

    (problem,) = formula_problems(rail, bundle)
    assert problem.startswith(sentence)


def test_the_statement_and_the_command_line_tell_partners_and_correlations(fitted: House):
    release, fit_record = served(fitted, "rail")
    with fitted.store.read() as session:
        told = statement_of(session, release, secrets=fitted.secrets, rules=DisclosureRules(), now=fitted.now)
    place = {
        "HUSTINGS_DATA_DIR": str(fitted.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(fitted.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{fitted.store.path}",
    }
    printed = CliRunner().invoke(cli, ["diagnostics", "demo", "rail", "--fit", fit_record.id], env=place).output

    (section,) = [one for one in told.sections if one.id == "together"]
    assert "rail was fitted in one model with voting_age: their formulas share the label p" in section.text[0]
    correlation = "effects (1|p|district) on rail and voting_age have a correlation of"
    assert correlation in section.text[1]
    asked, waves = (table.rows for table in section.tables)
    question = load_survey(fitted.written.path).declaration.question("voting_age")
    assert asked == [["voting_age", question.text]]
    assert [(row[0], row[2]) for row in waves] == [
        ("voting_age", fitted.written.waves[number].reference) for number in (0, 1)
    ]
    assert "Fitted together: rail, voting_age." in printed
    assert correlation in printed
