"""What a refit counts by: the columns of the frame, and the period and pollster where the formula reads them."""

import re
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from fixtures.survey_folder import WaveFile, WrittenSurvey
from jobs.counted_parts import CountedParts
from jobs.fit_process import fit
from jobs.fit_request import FitRequest
from jobs.refit import prepare_refit
from jobs.survey import load_survey, update_survey
from mrp.counts import coarsest, design_effect
from mrp.design import Design, build_design
from polling.codebook import Conversion, convert
from polling.declaration import Question, SurveyDeclaration
from polling.errors import SurveyRejected
from tests.jobs.house import furnish


def with_model(written: WrittenSurvey, folder: Path, terms: str, *, period: str = "week") -> WrittenSurvey:
    """A copy of the survey whose question ``rail`` has other terms."""
    shutil.copytree(written.path, folder)
    toml = folder / "survey.toml"
    text = re.sub(r'(?m)^model = ".*"$', f'model = "(1|district) + {terms}"', toml.read_text(), count=2)
    if "[time]" in text:
        text = re.sub(r'(?m)^period = ".*"$', f'period = "{period}"', text)
    else:
        text += f'\n[time]\nperiod = "{period}"\n'
    toml.write_text(text)
    return replace(written, path=folder)


def with_line(written: WrittenSurvey, folder: Path, line: str) -> WrittenSurvey:
    """A copy of the survey with one more line on the question ``rail``."""
    shutil.copytree(written.path, folder)
    toml = folder / "survey.toml"
    toml.write_text(toml.read_text().replace("[questions.rail]\n", f"[questions.rail]\n{line}\n", 1))
    return replace(written, path=folder)


def request(survey: WrittenSurvey, place: Path) -> Any:
    with furnish(survey, place) as house:
        for number in (1, 2, 3):
            house.push(number)
        with house.store.read() as session:
            return prepare_refit(session, house.settings, survey_id="demo", question_id="rail")


def test_a_model_without_time_is_counted_by_cells(written: WrittenSurvey, tmp_path: Path):
    counts = request(written, tmp_path / "house").request.counts
    assert set(counts.columns).isdisjoint({"period", "pollster", "mode"})


def test_dont_knows_are_counted_where_the_base_has_them(written: WrittenSurvey, tmp_path: Path):
    wider = with_line(written, tmp_path / "survey", 'base = ["answered", "dont_know"]')

    answered, counted = request(written, tmp_path / "house"), request(wider, tmp_path / "wider")

    dont_know = sum(
        convert(pl.read_csv(wave.path, infer_schema=False), load_survey(wider.path).declaration, pollster=wave.pollster)
        .interviews["rail:status"]
        .eq("dont_know")
        .sum()
        for wave in written.waves
    )
    assert dont_know > 0
    assert counted.request.counts["n"].sum() == answered.request.counts["n"].sum() + dont_know
    assert counted.request.counts["y"].sum() == answered.request.counts["y"].sum()
    assert counted.inputs["base"] == ["answered", "dont_know"]


def test_weights_go_into_the_likelihood_where_declared_and_their_sum_means_nothing(
    written: WrittenSurvey, tmp_path: Path
):
    weighted = with_line(written, tmp_path / "survey", 'weights = "likelihood"')
    plain, asked = request(written, tmp_path / "house").request, request(weighted, tmp_path / "weighted").request

    assert asked.counts.select(plain.counts.columns).equals(plain.counts)
    assert "weight" not in plain.counts.columns
    # The waves' weights are the same for all of an age, which a model with age has no use for.
    design = build_design("(1|district)", asked.electorate)
    effect = design_effect(design, asked.counts)
    assert 1.001 < effect < 2
    assert coarsest(design, asked.counts)["n"].sum() == pytest.approx(plain.counts["n"].sum() / effect)

    heavy = replace(weighted, waves=tuple(times_100(wave, tmp_path) for wave in weighted.waves))
    assert_frame_equal(request(heavy, tmp_path / "heavy").request.counts, asked.counts)

    result = fit(replace(asked, engine="laplace", formula="(1|district)"), progress=StringIO())
    assert result.verdict["problems"] == []
    assert result.diagnostics["design_effect"] == pytest.approx(effect)


def test_what_a_worker_remembers_is_counted_once_and_changes_nothing(
    written: WrittenSurvey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    weighted = with_line(written, tmp_path / "survey", 'weights = "likelihood"')
    converted: list[str] = []

    def noting(received: pl.DataFrame, declaration: SurveyDeclaration, *, pollster: str) -> Conversion:
        converted.append(pollster)
        return convert(received, declaration, pollster=pollster)

    monkeypatch.setattr("jobs.counting.convert", noting)
    memory = CountedParts()
    with furnish(weighted, tmp_path / "house") as house:

        def counts(memory: CountedParts | None) -> pl.DataFrame:
            with house.store.read() as session:
                about = {"survey_id": "demo", "question_id": "rail", "memory": memory}
                return prepare_refit(session, house.settings, **about).request.counts

        for number in (1, 2, 3):
            house.push(number)
            converted.clear()
            remembered = counts(memory)
            assert len(converted) == 1  # the new wave
            assert remembered.equals(counts(None))

        changed = load_survey(with_model(weighted, tmp_path / "other", "house(pollster)", period="wave").path)
        update_survey(house.store, house.secrets, house.settings, changed, actor="test", now=house.now)
        converted.clear()
        by_house = counts(memory)
        assert len(converted) == 3
        assert by_house.equals(counts(None))
        assert set(by_house.columns) - set(remembered.columns) == {"pollster"}


def test_counts_that_were_not_asked_for_again_are_forgotten(written: WrittenSurvey):
    declaration = load_survey(written.path).declaration
    first, second, *_ = declaration.questions
    table = pl.DataFrame({"n": range(1000)})
    made: list[str] = []

    def count(memory: CountedParts, question: Question, *keys: str) -> None:
        with memory.of(declaration, question) as get:
            for key in keys:
                get(key, lambda key=key: (made.append(key), table)[1])  # type: ignore[misc]

    memory = CountedParts(most_mb=0.03)
    count(memory, first, "a", "b")
    count(memory, first, "b")
    assert made == ["a", "b"]
    assert memory.n_bytes() == table.estimated_size()
    count(memory, first, "a", "b")
    assert made == ["a", "b", "a"]

    count(memory, second, "c", "d")  # more than there is room for: the question counted longest ago goes
    count(memory, second, "c", "d")
    assert made == ["a", "b", "a", "c", "d"]
    count(memory, first, "a")
    assert made[5:] == ["a"]

    count(memory, replace(first, model="1"), "a")
    assert made[6:] == ["a"]
    with pytest.raises(ZeroDivisionError), memory.of(declaration, first) as get:
        get("a", lambda: table.clear(1 // 0))
    count(memory, first, "a")
    assert made[7:] == ["a"]


def times_100(wave: WaveFile, folder: Path) -> WaveFile:
    """The same wave with weights, if it has some, that sum to something else."""
    table = pl.read_csv(wave.path, infer_schema=False)
    if "weight" not in table.columns:
        return wave
    path = folder / f"heavy {wave.path.name}"
    table.with_columns((pl.col("weight").cast(pl.Float64) * 100).cast(pl.String)).write_csv(path)
    return replace(wave, path=path)


def test_a_wave_in_which_nobody_knows_is_counted_where_the_base_has_them(written: WrittenSurvey, tmp_path: Path):
    wider = with_line(written, tmp_path / "survey", 'base = ["answered", "dont_know"]')
    wave = pl.read_csv(written.waves[0].path, infer_schema=False)
    declaration = load_survey(wider.path).declaration
    column = declaration.columns_of(written.waves[0].pollster)["rail"]
    label = declaration.question("rail").dont_know[0]

    with furnish(wider, tmp_path / "wider") as house:
        received = house.push(1, content=wave.with_columns(pl.lit(label).alias(column)).write_csv().encode())
        with house.store.read() as session:
            counts = prepare_refit(session, house.settings, survey_id="demo", question_id="rail").request.counts

    assert "rail" in [job.question_id for job in received.jobs]
    assert (counts["n"].sum(), counts["y"].sum()) == (wave.height, 0)


def test_a_model_with_time_and_houses_is_counted_by_them_and_fitted(written: WrittenSurvey, tmp_path: Path):
    survey = with_model(written, tmp_path / "survey", "house(pollster) + ar1(period)")
    prepared = request(survey, tmp_path / "house")
    counts = prepared.request.counts

    assert set(counts["pollster"]) == {wave.pollster for wave in prepared.waves}
    assert all(re.fullmatch(r"\d{4}-W\d\d", label) for label in counts["period"])
    assert counts["n"].sum() == prepared.n_interviews

    result = fit(replace(prepared.request, engine="laplace"), progress=StringIO())
    design = Design.from_json(result.design)
    assert result.verdict["problems"] == []
    assert design.period == max(counts["period"])
    assert "house(pollster)" in result.priors
    assert [text.split(":")[0] for text in result.verdict["warnings"]] == [
        "house(pollster) and period are nearly aliased"
    ]
    assert isinstance(prepared.request, FitRequest)


def test_a_model_with_a_map_reads_the_neighbours_of_the_survey_and_is_fitted(written: WrittenSurvey, tmp_path: Path):
    survey = with_model(written, tmp_path / "survey", "icar(district)")
    prepared = request(survey, tmp_path / "house")
    result = fit(replace(prepared.request, engine="laplace"), progress=StringIO())
    (effect,) = (one for one in Design.from_json(result.design).effects if one.kind == "icar")
    names = pl.read_parquet(survey.path / "districts.parquet").sort("code")["neighbours"].to_list()
    levels = effect.factors[0].levels

    assert result.verdict["problems"] == []
    assert effect.neighbours
    assert {(levels[one], levels[two]) for one, two in effect.neighbours} == {
        (code, other) for code, others in zip(levels, names, strict=True) for other in others if code < other
    }
    assert f"on a map of {len(effect.neighbours)} borders" in result.priors["icar(district)"]


def test_a_map_that_the_survey_does_not_have_is_refused_with_the_survey(written: WrittenSurvey, tmp_path: Path):
    survey = with_model(written, tmp_path / "survey", "icar(district)")
    districts = survey.path / "districts.parquet"
    pl.read_parquet(districts).drop("neighbours").write_parquet(districts)
    with pytest.raises(SurveyRejected, match=r"needs to know which districts are next to each other: add a column"):
        load_survey(survey.path)


@pytest.mark.parametrize(
    ("period", "pattern"), [("day", r"\d{4}-\d\d-\d\d"), ("month", r"\d{4}-\d\d"), ("wave", r"00\d .+")]
)
def test_periods_are_named_as_declared(written: WrittenSurvey, tmp_path: Path, period: str, pattern: str):
    survey = with_model(written, tmp_path / "survey", "rw1(period)", period=period)
    prepared = request(survey, tmp_path / "house")

    assert all(re.fullmatch(pattern, label) for label in prepared.request.counts["period"])
    if period == "wave":
        assert prepared.request.counts["period"].n_unique() == len(prepared.waves)


def test_a_prior_or_a_walk_that_the_survey_cannot_have_is_refused_with_the_survey(
    written: WrittenSurvey, tmp_path: Path
):
    wrong = with_model(written, tmp_path / "survey", "rw1(district) + house(period)")
    with pytest.raises(SurveyRejected, match=r"no order|house"):
        load_survey(wrong.path)
