"""Predictors over time: a fit knows what was known by its last day, says which, and stays what it is."""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from api.release_cache import ReleaseCache
from fixtures.survey_folder import WrittenSurvey
from jobs import predictor_acts
from jobs.backup import make_backup
from jobs.check import prepare_check
from jobs.confirm import prepare_confirmation
from jobs.errors import FitImpossible
from jobs.predictor_acts import AddedPredictors
from jobs.predictors import uploads_at_rest
from jobs.refit import PreparedRefit, prepare_refit
from jobs.restore import restore_backup
from jobs.survey import load_survey, update_survey
from polling.errors import PredictorsRejected
from polling.store import audit, fits, predictors, releases, surveys
from polling.store.fit_inputs import predictors_noted
from tests.jobs.house import House, furnish

CODES = [f"D0{n}" for n in range(1, 9)]


@pytest.fixture(scope="module")
def of_two(written: WrittenSurvey, tmp_path_factory: pytest.TempPathFactory) -> WrittenSurvey:
    """The survey, but one of its questions reads another predictor."""
    folder = tmp_path_factory.mktemp("two") / "survey"
    shutil.copytree(written.path, folder)
    toml, old = folder / "survey.toml", "last_share + region + gender"
    before, after = toml.read_text().split("[questions.voting_age]")
    toml.write_text(f"{before}[questions.voting_age]{after.replace(old, 'urban_share + gender')}")
    waves = tuple(
        type(one)(folder / one.path.relative_to(written.path), *list(_facts(one))[1:]) for one in written.waves
    )
    return WrittenSurvey(folder, written.survey_id, waves)


def _facts(wave: Any) -> Iterator[Any]:
    return (getattr(wave, name) for name in wave.__slots__)


@pytest.fixture
def house(tmp_path: Path, of_two: WrittenSurvey) -> Iterator[House]:
    with furnish(of_two, tmp_path) as mine:
        yield mine


def upload(house: House, as_of: date, source: str = "the office", **columns: float) -> AddedPredictors:
    """Numbers that begin with the one given, and differ between districts."""
    numbers = {name: [first + 0.01 * n for n in range(8)] for name, first in columns.items()}
    return predictor_acts.add_predictors(
        house.store,
        house.secrets,
        house.settings,
        survey_id="demo",
        content=pl.DataFrame({"code": CODES, **numbers}).write_csv().encode(),
        as_of=as_of,
        source=source,
        now=house.now,
        actor="test",
    )


def prepare(house: House, question: str = "rail") -> PreparedRefit:
    with house.store.read() as session:
        return prepare_refit(session, house.settings, survey_id="demo", question_id=question)


def first_value(prepared: PreparedRefit, column: str = "last_share") -> float:
    return float(prepared.request.electorate.districts.sort("code")[column][0])


def at_rest(house: House) -> list[str]:
    """What is told of uploads after an update of the survey."""
    with house.store.read() as session:
        return uploads_at_rest(session, surveys.get_survey(session, "demo"))


def work(house: House) -> None:
    """Do every refit that waits."""
    house.wait(400)
    while house.worker().turn(house.now):
        house.wait(1)


def test_a_fit_takes_of_each_column_what_was_known_by_its_last_day(house: House):
    house.push(1)  # until 5 September
    before = prepare(house)
    assert first_value(before) == pytest.approx(0.4271)
    assert "predictors" not in before.inputs

    upload(house, date(2025, 9, 6), last_share=0.9)
    later = prepare(house)
    assert (later.request.seed, later.inputs) == (before.request.seed, before.inputs)

    of_then = upload(house, date(2025, 9, 5), "the registrar", last_share=0.2, urban_share=0.1)
    now = prepare(house)
    assert first_value(now) == 0.2
    assert first_value(now, "urban_share") == pytest.approx(0.239)  # this model does not read it
    [noted] = now.inputs["predictors"]
    assert noted["columns"] == ["last_share"]
    assert {name: noted[name] for name in ("id", "sha256", "as_of", "source", "number")} == {
        "id": of_then.upload.id,
        "sha256": of_then.upload.sha256,
        "as_of": "2025-09-05",
        "source": "the registrar",
        "number": 2,
    }
    assert now.request.seed != before.request.seed

    house.push(2)  # until 19 September
    assert first_value(prepare(house)) == 0.9


def test_the_seed_follows_from_the_numbers_that_are_read_and_not_from_where_they_are_stored(
    house: House, of_two: WrittenSurvey, tmp_path: Path
):
    with furnish(of_two, tmp_path / "other") as other:
        for one in (house, other):
            one.push(1)
        upload(house, date(2025, 9, 1), last_share=0.3)
        upload(other, date(2025, 8, 1), last_share=0.6)
        upload(other, date(2025, 9, 2), "another source", last_share=0.3, urban_share=0.4)
        assert prepare(house).request.seed == prepare(other).request.seed


def test_an_upload_asks_for_the_refits_of_the_models_that_read_it_and_of_no_others(house: House):
    house.push(1)
    house.push(2)
    work(house)

    added = upload(house, date(2025, 9, 10), last_share=0.3)
    assert [job.question_id for job in added.jobs] == ["rail"]
    with house.store.read() as session:
        stale = {
            question: releases.question_state(session, "demo", question).stale_reason
            for question in ("rail", "voting_age")
        }
    assert "last_share as of 2025-09-10 (the office)" in stale["rail"]
    assert stale["voting_age"] is None

    assert not upload(house, date(2025, 9, 10), last_share=0.3).created
    # What is older than the one that holds, and what is of a day after the interviews, changes no fit.
    assert upload(house, date(2025, 9, 1), last_share=0.4).jobs == ()
    assert upload(house, date(2025, 9, 20), last_share=0.5).jobs == ()
    assert upload(house, date(2025, 9, 20), median_income=0.5).jobs == ()
    assert [job.question_id for job in upload(house, date(2025, 9, 19), urban_share=0.5).jobs] == ["voting_age"]
    with house.store.read() as session:
        acts = [one for one in audit.read_entries(session) if one.action == "predictors-added"]
    assert len(acts) == 5
    assert acts[0].subject == added.upload.id


def test_a_later_upload_does_not_change_an_earlier_release_or_what_is_made_of_it(house: House):
    upload(house, date(2025, 9, 1), last_share=0.3)
    house.push(1)
    house.push(2)
    work(house)
    with house.store.read() as session:
        release = releases.current_release(session, "demo", "rail")
        fit = fits.get_fit(session, release.fit_id)
    fitted = house.fit.requests[-1] if house.fit.requests[-1].question == "rail" else house.fit.requests[-2]

    upload(house, date(2025, 9, 2), last_share=0.8)
    cache = ReleaseCache(house.store, house.secrets, house.settings)
    with house.store.read() as session:
        confirmed = prepare_confirmation(session, house.settings, survey_id="demo", question_id="rail").request
        checked = prepare_check(session, house.settings, survey_id="demo", question_id="rail")
        assert fits.get_fit(session, release.fit_id).inputs == fit.inputs
    for electorate in (confirmed.electorate, checked.electorate, cache.load(release.id).electorate):
        assert electorate.districts.equals(fitted.electorate.districts)
        assert electorate.districts.sort("code")["last_share"][0] == 0.3

    work(house)
    with house.store.read() as session:
        newer = releases.current_release(session, "demo", "rail")
        assert newer.number == release.number + 1
        noted = predictors_noted(fits.get_fit(session, newer.fit_id).inputs)
        assert [one["number"] for one in noted] == [2]
    # The earlier one is still what it was.
    assert cache.load(release.id).electorate.districts.sort("code")["last_share"][0] == 0.3
    assert cache.load(newer.id).electorate.districts.sort("code")["last_share"][0] == 0.8


def test_a_later_version_of_the_survey_keeps_what_was_uploaded_as_far_as_it_has_the_columns(
    house: House, of_two: WrittenSurvey, tmp_path: Path
):
    upload(house, date(2025, 9, 1), last_share=0.3, urban_share=0.2)
    house.push(1)
    folder = tmp_path / "next"
    shutil.copytree(of_two.path, folder)
    districts = pl.read_parquet(folder / "districts.parquet")

    def update(table: pl.DataFrame) -> None:
        table.write_parquet(folder / "districts.parquet")
        update_survey(house.store, house.secrets, house.settings, load_survey(folder), actor="test", now=house.now)

    update(districts.with_columns(last_share=pl.col("last_share") / 2))
    assert first_value(prepare(house)) == 0.3

    toml = folder / "survey.toml"
    toml.write_text(toml.read_text().replace("last_share + region", "region").replace('last_result = "last_share"', ""))
    update(districts.drop("last_share"))
    assert "predictors" not in prepare(house).inputs
    assert at_rest(house) == ["The uploads of last_share rest: version 3 has no such predictor."]
    assert first_value(prepare(house, "voting_age"), "urban_share") == 0.2


def test_a_district_that_the_upload_does_not_have_stops_the_fit_in_words(
    house: House, of_two: WrittenSurvey, tmp_path: Path
):
    upload(house, date(2025, 9, 1), last_share=0.3)
    house.push(1)
    folder = tmp_path / "grown"
    shutil.copytree(of_two.path, folder)
    districts, frame = (pl.read_parquet(folder / f"{name}.parquet") for name in ("districts", "frame"))
    ninth = districts.filter(pl.col("code") == "D08").with_columns(
        pl.lit("D09").alias("code"), pl.lit([], dtype=pl.List(pl.String)).alias("neighbours")
    )
    pl.concat([districts, ninth]).write_parquet(folder / "districts.parquet")
    added = frame.filter(pl.col("district") == "D08").with_columns(pl.lit("D09").alias("district"))
    pl.concat([frame, added]).write_parquet(folder / "frame.parquet")
    update_survey(house.store, house.secrets, house.settings, load_survey(folder), actor="test", now=house.now)
    with pytest.raises(
        FitImpossible, match=r"last_share as of 2025-09-01 .* no value for district D09, which version 2"
    ):
        prepare(house)
    assert at_rest(house) == [
        (
            "Upload 1 of last_share has no value for district D09: fits that would read it are refused. "
            "Upload it for all districts, for the same day."
        )
    ]


def test_a_backup_has_what_was_uploaded(house: House):
    added = upload(house, date(2025, 9, 1), last_share=0.3).upload
    house.push(1)
    path = make_backup(house.store, house.secrets, house.settings, actor="test", now=house.now)
    upload(house, date(2025, 9, 2), last_share=0.6)
    house.store.close()
    restore_backup(path, house.secrets, house.settings, actor="test", now=house.now + timedelta(days=1))
    with house.store.read() as session:
        assert predictors.list_predictors(session, "demo") == [added]
    assert first_value(prepare(house)) == 0.3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": " "}, "the source is blank"),
        ({"source": "x" * 501}, "the limit is 500"),
        ({"as_of": date(2025, 10, 8)}, "a day that is still to come"),
        (
            {"content": b"code,last_share\n" + b"".join(f"{c},0.5\n".encode() for c in CODES)},
            "the model of rail cannot",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_is_stored(house: House, changes: dict[str, Any], said: str):
    told = {"as_of": date(2025, 9, 1), "source": "the office", "content": b"code,last_share\nD01,1\n"} | changes
    with pytest.raises(PredictorsRejected) as refused:
        predictor_acts.add_predictors(
            house.store, house.secrets, house.settings, survey_id="demo", now=house.now, actor="test", **told
        )
    assert any(said in str(fault) for fault in refused.value.faults)
    with house.store.read() as session:
        assert not [one for one in audit.read_entries(session) if one.action == "predictors-added"]
