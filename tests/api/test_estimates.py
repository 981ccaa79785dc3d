"""Estimates over HTTP: the numbers, what they may be asked by, and what is not told."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from api.estimates import answer_query
from jobs.survey import load_survey, update_survey
from polling.store import fits, releases
from tests.api.slow import check_data_share, check_ends, slow_people, slow_shares
from tests.api.world import AGES, DISTRICTS, SILENT, SMALL, SURVEY, World, change_survey, frame_table, wave_csv

URL = f"/v1/surveys/{SURVEY}/questions/rail/estimates"


def test_the_nation_is_the_population_weighted_mean_of_its_cells(served: World):
    body = served.estimates(interval=0.8)

    expected = slow_shares(served, {})
    (nation,) = body["estimates"]
    assert_allclose(nation["share"], expected.mean(), rtol=1e-5)
    assert_allclose(nation["sd"], expected.std(ddof=1), rtol=0.01)
    assert_allclose([nation["low"], nation["high"]], np.quantile(expected, [0.1, 0.9]), rtol=1e-3)
    assert nation["n_people"] == frame_table()["n_people"].sum()
    assert (nation["area"], nation["area_name"]) == ("all", "Adults of the town")


@pytest.mark.parametrize(("level", "column", "n"), [("region", "region", 2), ("district", "district", 6)])
def test_every_level_answers_with_its_own_areas(served: World, level: str, column: str, n: int):
    body = served.estimates(level=level)

    assert body["level"] == level
    assert len(body["estimates"]) == n
    for row in body["estimates"]:
        assert_allclose(row["share"], slow_shares(served, {column: row["area"]}).mean(), rtol=1e-5)


def test_several_intervals_come_in_the_order_in_which_they_are_asked_for(served: World):
    body = served.estimates(level="district", interval="0.8,0.5,0.95")

    assert body["interval"] == 0.8
    for row in body["estimates"]:
        check_ends(row, slow_shares(served, {"district": row["area"]}), 0.8, 0.5, 0.95)
        narrow, middle, wide = (row["intervals"][i] for i in (1, 0, 2))
        assert wide["low"] < middle["low"] < narrow["low"] < narrow["high"] < middle["high"] < wide["high"]
    one = served.estimates(level="district")["estimates"][0]
    assert one["intervals"] == [{"interval": 0.9, "low": one["low"], "high": one["high"]}]


def test_groups_are_crossed_with_areas_in_declared_order(served: World):
    body = served.estimates(level="region", by="age,gender")

    assert [row["groups"] for row in body["estimates"][:3]] == [
        {"age": "young", "gender": "woman"},
        {"age": "young", "gender": "man"},
        {"age": "middle", "gender": "woman"},
    ]
    for row in body["estimates"]:
        assert_allclose(row["share"], slow_shares(served, {"region": row["area"], **row["groups"]}).mean(), rtol=1e-5)


def test_a_filter_counts_the_people_it_names_alone(served: World):
    body = served.estimates(level="region", by="gender", where="age:young,age:old,district:D1,district:D5")

    assert body["where"] == {"age": ["young", "old"], "district": ["D1", "D5"]}
    assert [row["area"] for row in body["estimates"]] == ["North", "North", "South", "South"]
    for row in body["estimates"]:
        wanted = {"region": row["area"], **row["groups"], "age": ("young", "old"), "district": ("D1", "D5")}
        assert_allclose(row["share"], slow_shares(served, wanted).mean(), rtol=1e-5)
        assert row["n_people"] == slow_people(wanted)


def test_interviews_of_a_filter_are_those_of_the_group_that_it_leaves(served: World):
    (filtered,) = served.estimates(where="gender:woman")["estimates"]
    grouped = served.estimates(by="gender")["estimates"][0]

    assert filtered["n_interviews"] == grouped["n_interviews"]
    assert_allclose(filtered["share"], grouped["share"], rtol=1e-6)


def test_of_a_filter_it_is_not_said_that_nobody_was_interviewed(served: World):
    (row,) = served.estimates(districts=SILENT, where="age:old")["estimates"]
    assert row["flags"] == ["few-interviews"]


def test_a_filter_that_leaves_few_people_withholds_the_group(served: World):
    body = served.estimates(districts=SMALL[0], where=f"gender:{SMALL[1]},age:{SMALL[2]}")

    assert body["estimates"] == []
    assert [one["reason"] for one in body["withheld"]] == ["Fewer than 100 people in the frame."]


def test_chosen_districts_are_the_only_ones_and_make_the_level(served: World):
    body = served.estimates(districts="D4,D2")

    assert body["level"] == "district"
    assert [row["area"] for row in body["estimates"]] == ["D2", "D4"]
    assert body["estimates"][0]["area_name"] == "District 2"


def test_the_name_of_the_districts_is_a_level_too(served: World):
    assert len(served.estimates(level="district")["estimates"]) == len(DISTRICTS)


def test_a_wider_base_is_told_and_has_no_complement(world: World):
    toml = world.settings.data_dir / SURVEY / "survey.toml"
    base = 'dont_know = ["?"]\nbase = ["answered", "dont_know"]'
    toml.write_text(toml.read_text().replace("[questions.rail]", f"[questions.rail]\n{base}"))
    update_survey(world.store, world.secrets, world.settings, load_survey(toml.parent), actor="test", now=world.now)
    world.release(content=wave_csv().replace(b",no\n", b",?\n", 50))

    assert world.estimates()["base"] == ["answered", "dont_know"]
    assert world.get(f"/v1/surveys/{SURVEY}/questions/rail").json()["base"] == ["answered", "dont_know"]
    reply = world.get(URL, params={"option": "no"})
    assert (reply.status_code, reply.json()["type"]) == (422, "bad-estimate-query")
    assert "the base counts dont_know too" in reply.json()["detail"]


def test_a_warning_of_the_fit_reaches_whoever_reads_its_estimates(world: World):
    world.fit.warnings = ["house(pollster) and period are nearly aliased"]
    release = world.release()

    assert world.estimates()["warnings"] == world.fit.warnings
    told = world.get(f"/v1/surveys/{SURVEY}/releases/{release.id}").json()
    assert told["warnings"] == world.fit.warnings
    assert "Warning: house(pollster)" in world.get(f"/v1/surveys/{SURVEY}/jobs").json()["jobs"][0]["detail"]


def test_without_warnings_there_are_none(served: World):
    assert served.estimates()["warnings"] == []
    assert served.estimates()["weights"] == "ignored"


def test_the_base_is_those_who_answered_unless_declared(served: World):
    assert served.estimates()["base"] == ["answered"]


def test_the_other_option_is_the_complement_of_the_first(served: World):
    yes, no = served.estimates(option="yes"), served.estimates(option="no")

    assert (yes["option"], no["option"]) == ("yes", "no")
    assert_allclose(yes["estimates"][0]["share"] + no["estimates"][0]["share"], 1, rtol=1e-9)
    assert_allclose(yes["estimates"][0]["low"], 1 - no["estimates"][0]["high"], rtol=1e-9)


def test_the_answer_names_what_it_rests_on(served: World):
    body = served.estimates()

    assert (body["survey"], body["question"], body["text"]) == (SURVEY, "rail", "Should a rail line be built?")
    assert (body["release_number"], body["engine"], body["survey_version"]) == (1, "nuts", 1)
    assert body["data_through"] == "2026-02-25"
    assert body["published_at"].startswith("2026-03-02T12:01:00")
    assert (body["stale_since"], body["stale_reason"]) == (None, None)


@pytest.mark.parametrize(
    ("parameters", "type_", "named"),
    [
        ({"level": "regoin"}, "unknown-choice", "Did you mean 'region'?"),
        ({"districts": "D1,D9"}, "unknown-choice", "'D9'"),
        ({"by": "gendre"}, "unknown-choice", "Did you mean 'gender'?"),
        ({"where": "age:odl"}, "unknown-choice", "Did you mean 'old'?"),
        ({"where": "agee:old"}, "unknown-choice", "Did you mean 'age'?"),
        ({"where": "old"}, "bad-estimate-query", "such as age:65+"),
        ({"option": "maybe"}, "unknown-choice", "Allowed: yes, no."),
        ({"by": "age,age"}, "bad-estimate-query", "twice"),
        ({"level": "region", "districts": "D1"}, "bad-estimate-query", "level=district only"),
        ({"interval": "0"}, "interval-out-of-range", "above 0"),
        ({"interval": "1"}, "interval-out-of-range", "below 1"),
        ({"interval": "nan"}, "interval-out-of-range", "got 'nan'"),
        ({"interval": "0.5,1.5,0.9,-1"}, "interval-out-of-range", "interval must be above 0 and below 1"),
        ({"interval": "0.5,1.5,0.9,-1"}, "interval-out-of-range", "got 1.5, -1."),
        ({"interval": "0.5,half"}, "interval-out-of-range", "got 'half'."),
        ({"interval": ""}, "interval-out-of-range", "got ''."),
        ({"interval": "0.5,0.50"}, "bad-estimate-query", "interval names one twice"),
        ({"interval": ",".join(f"0.{n}" for n in range(11, 22))}, "bad-estimate-query", "10 at most"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_can(served: World, parameters: dict, type_: str, named: str):
    reply = served.get(URL, params=parameters)

    assert (reply.status_code, reply.json()["type"]) == (422, type_)
    assert named in reply.json()["detail"]


def test_refusals_list_the_allowed_values_for_programs(served: World):
    assert served.get(URL, params={"level": "x"}).json()["allowed"] == ["nation", "region", "district"]


def test_a_group_of_few_people_is_withheld_with_the_reason(served: World):
    body = served.estimates(level="district", by="gender,age")

    (withheld,) = body["withheld"]
    assert (withheld["area"], withheld["groups"]) == (SMALL[0], {"gender": SMALL[1], "age": SMALL[2]})
    assert withheld["reason"] == "Fewer than 100 people in the frame."
    assert all(row["n_people"] >= 100 for row in body["estimates"])
    assert len(body["estimates"]) == 35


def test_few_interviews_are_not_counted_out(served: World):
    rows = {row["area"]: row for row in served.estimates(level="district")["estimates"]}

    assert rows["D6"]["n_interviews"] is None
    assert rows["D6"]["flags"] == ["few-interviews"]
    assert rows["D1"]["n_interviews"] > 30
    assert rows["D1"]["flags"] == []


def test_a_district_without_interviews_is_answered_and_flagged(served: World):
    rows = {row["area"]: row for row in served.estimates(level="district")["estimates"]}

    assert rows[SILENT]["flags"] == ["no-interviews"]
    assert rows[SILENT]["n_interviews"] is None
    assert 0 < rows[SILENT]["low"] < rows[SILENT]["high"] < 1


@pytest.mark.parametrize("query", [{}, {"level": "district"}, {"level": "district", "by": "gender,age"}, {"by": "age"}])
def test_every_row_says_how_much_of_it_is_data(served: World, query: dict[str, str]):
    for row in served.estimates(**query)["estimates"]:
        area = {query["level"]: row["area"]} if query.get("level") else {}
        check_data_share(row, slow_shares(served, area | row["groups"]))
        assert row["n_interviews"] is None or row["n_effective"] == row["n_interviews"]


def test_weights_in_the_likelihood_cost_every_group_the_same_part_of_its_interviews(world: World):
    change_survey(world, "survey.toml", 'respondent = "id"', 'respondent = "id"\nweight = "weight"')
    change_survey(world, "survey.toml", "[questions.rail]", '[questions.rail]\nweights = "likelihood"')
    first, *rows = wave_csv().decode().split()
    lines = [f"{first},weight", *(f"{row},{1 + 2 * (i % 7 > 3)}" for i, row in enumerate(rows))]
    world.release(content="\n".join(lines).encode())

    # By loops: sums of (1 - 1/n) w^2 and of (sum w)^2 - sum w^2 over n, cells of district and gender.
    cells: dict[tuple[str, ...], list[float]] = {}
    for line in lines[1:]:
        _, district, gender, _, _, weight = line.split(",")
        cells.setdefault((district, gender), []).append(float(weight))
    above = sum((1 - 1 / len(w)) * sum(x * x for x in w) for w in cells.values())
    below = sum((sum(w) ** 2 - sum(x * x for x in w)) / len(w) for w in cells.values())
    effect = round(above / below, 2)
    assert effect > 1.1
    rows_told = world.estimates(by="gender")["estimates"] + world.estimates(level="district")["estimates"]
    counted = [row for row in rows_told if row["n_interviews"] is not None]
    assert len(counted) > 5
    assert_allclose([row["n_effective"] for row in counted], [row["n_interviews"] / effect for row in counted])
    for row in world.estimates(by="gender")["estimates"]:
        check_data_share(row, slow_shares(world, row["groups"]))


def test_of_a_group_it_is_not_said_that_nobody_was_interviewed(served: World):
    rows = served.estimates(districts=SILENT, by="gender")["estimates"]

    assert [row["flags"] for row in rows] == [["few-interviews"], ["few-interviews"]]


def test_counts_of_parts_add_up_so_that_nothing_can_be_subtracted(served: World):
    nation = served.estimates()["estimates"][0]["n_interviews"]
    by_gender = [row["n_interviews"] for row in served.estimates(by="gender")["estimates"]]
    by_region = [row["n_interviews"] for row in served.estimates(level="region")["estimates"]]

    assert sum(by_gender) == sum(by_region) == nation
    assert abs(nation - 400) <= 2 * frame_table().height  # noise of at most one per cell and answer


def test_the_body_is_the_same_every_time_and_has_a_validator(served: World):
    first = served.get(URL, params={"level": "district"})
    served.now += served.services.settings.patience
    second = served.get(URL, params={"level": "district"})

    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    assert first.headers["cache-control"].startswith("private")
    assert first.headers["vary"] == "Accept, Accept-Encoding, Authorization"


def test_a_client_that_has_the_answer_gets_304(served: World):
    tag = served.get(URL).headers["etag"]

    reply = served.get(URL, headers={"If-None-Match": f'"other", W/{tag}'})

    assert (reply.status_code, reply.content, reply.headers["etag"]) == (304, b"", tag)
    assert served.get(URL, headers={"If-None-Match": '"other"'}).status_code == 200


def test_another_query_has_another_validator(served: World):
    queries = [
        {},
        {"level": "region"},
        {"by": "age"},
        {"interval": 0.8},
        {"option": "no"},
        {"districts": "D1"},
        {"where": "age:old"},
    ]
    assert len({served.get(URL, params=query).headers["etag"] for query in queries}) == len(queries)


def test_a_wave_that_is_not_in_the_release_makes_it_stale_and_a_refit_makes_it_fresh(world: World):
    world.release()
    fresh = world.get(URL)
    world.push("w2", wave_csv(start=1000))

    stale = world.get(URL)
    assert stale.json()["release_id"] == fresh.json()["release_id"]
    assert stale.json()["stale_reason"] == "Wave w2 of Alpha is not in it yet."
    assert stale.json()["stale_since"] is not None
    assert stale.headers["etag"] != fresh.headers["etag"]

    world.work()
    body = world.get(URL).json()
    assert (body["release_number"], body["stale_since"]) == (2, None)


def test_an_older_release_still_answers_and_says_what_replaced_it(world: World):
    first = world.release()
    before = world.estimates()
    second = world.release("w2", wave_csv(start=1000))

    body = world.estimates(release=first.id)
    assert body["estimates"] == before["estimates"]
    assert body["stale_reason"] == "Release 2 replaced it."
    assert body["stale_since"] == second.published_at.isoformat().replace("+00:00", "Z")


def test_a_failed_fit_is_not_served_and_the_old_release_says_so(world: World):
    first = world.release()
    world.fit.problems = [{"code": "rhat", "message": "R-hat of intercept is 1.300, limit 1.01"}]
    world.push("w2", wave_csv(start=1000))
    world.work()

    body = world.estimates()
    assert body["release_id"] == first.id
    assert "R-hat of intercept is 1.300" in body["stale_reason"]


def _reject(world: World) -> None:
    world.fit.problems = [{"code": "rhat", "message": "R-hat is 2"}]
    world.push()
    world.work()


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda world: None, "No wave that asks it was received."),
        (lambda world: world.push(), "waiting to start"),
        (_reject, "ended without a release"),
    ],
)
def test_a_question_without_release_says_why(world: World, prepare, sentence: str):
    prepare(world)

    reply = world.get(URL)

    assert (reply.status_code, reply.json()["type"]) == (404, "no-release-yet")
    assert sentence in reply.json()["detail"]


def test_an_unknown_question_names_the_known_ones(served: World):
    reply = served.get(f"/v1/surveys/{SURVEY}/questions/rial/estimates")

    assert (reply.status_code, reply.json()["type"]) == (404, "question-not-found")
    assert "rail" in reply.json()["detail"]


def test_a_release_of_another_question_is_not_found(served: World):
    release = served.estimates()["release_id"]
    reply = served.get(f"/v1/surveys/{SURVEY}/questions/tax/estimates", params={"release": release})

    assert (reply.status_code, reply.json()["type"]) == (404, "release-not-found")


def test_a_release_whose_draws_are_gone_says_so(world: World):
    release = world.release()
    gone(world, release.id)

    reply = world.get(URL)

    assert (reply.status_code, reply.json()["type"]) == (410, "draws-gone")


def gone(world: World, release_id: str) -> None:
    """Delete the draws of a release, as retention will."""
    from sqlalchemy import text

    with world.store.write() as session:
        fit_id = releases.get_release(session, release_id).fit_id
        assert fits.load_draws(session, fit_id)
        session.execute(text("DELETE FROM fit_draws WHERE fit_id = :fit_id"), {"fit_id": fit_id})


def test_every_declared_level_of_age_is_answered(served: World):
    assert [row["groups"]["age"] for row in served.estimates(by="age")["estimates"]] == list(AGES)


def test_who_says_what_he_has_already_waits_for_the_newest(served: World, monkeypatch: pytest.MonkeyPatch):
    old = served.get(URL)
    served.release("another", wave_csv(100, start=400))
    begun, may_end = threading.Event(), threading.Event()

    def slowly(*given: Any) -> Any:
        begun.set()
        assert may_end.wait(20)
        return answer_query(*given)

    monkeypatch.setattr("api.routes.estimates.answer_query", slowly)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(served.get, URL)
        assert begun.wait(20)
        wants_other = threads.submit(served.get, URL, headers={"If-None-Match": old.headers["ETag"]})
        meanwhile = served.get(URL)
        may_end.set()

    assert meanwhile.json() == old.json()
    assert first.result().json()["release_id"] != old.json()["release_id"]
    assert wants_other.result().json() == first.result().json()
