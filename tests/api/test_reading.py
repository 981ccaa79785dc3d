"""Surveys, questions, districts, releases and jobs over HTTP."""

from tests.api.world import DISTRICTS, SURVEY, World, wave_csv

BASE = f"/v1/surveys/{SURVEY}"


def test_a_survey_says_what_may_be_asked(served: World):
    body = served.get(BASE).json()

    assert (body["id"], body["title"], body["universe"], body["version"]) == (SURVEY, "A town", "Adults of the town", 1)
    assert body["levels"] == ["nation", "region", "district"]
    assert body["demographics"][1] == {"id": "age", "levels": ["young", "middle", "old"], "ordered": True}
    assert body["facts"] == {"sponsor": "Nobody", "mode": "telephone", "sample_source": "random digits"}
    assert body["questions"] == ["rail", "tax", "bridge"]


def test_questions_tell_what_is_served_for_them(served: World):
    rail, tax, _ = served.get(f"{BASE}/questions").json()["questions"]

    assert rail["release_id"] == served.estimates()["release_id"]
    assert rail["options"] == ["yes", "no"]
    assert served.get(rail["url"]).status_code == 200
    assert (tax["release_id"], tax["stale_reason"]) == (None, None)
    assert served.get(f"{BASE}/questions/rail").json() == rail
    assert served.get(f"{BASE}/questions/tax").json() == tax


def test_an_unknown_question_is_not_found_and_the_known_ones_are_named(served: World):
    reply = served.get(f"{BASE}/questions/rial")

    assert (reply.status_code, reply.json()["type"]) == (404, "question-not-found")
    assert "rail" in reply.json()["detail"]


def test_districts_have_parents_predictors_and_people(served: World):
    body = served.get(f"{BASE}/districts").json()

    assert [one["code"] for one in body["districts"]] == list(DISTRICTS)
    second = body["districts"][1]
    assert (second["name"], second["parents"], second["predictors"]) == (
        "District 2",
        {"region": "North"},
        {"income": 0.1},
    )
    assert second["n_people"] == 6 * (400 + 10) + 3 * 50


def test_releases_are_listed_newest_first_and_only_one_is_current(world: World):
    world.release()
    world.release("w2", wave_csv(start=1000))

    listed = world.get(f"{BASE}/questions/rail/releases").json()["releases"]

    assert [(one["number"], one["current"], one["n_waves"]) for one in listed] == [(2, True, 2), (1, False, 1)]
    assert world.get(listed[1]["url"]).json() == listed[1]
    assert world.get(listed[1]["estimates_url"]).json()["release_number"] == 1


def test_a_release_tells_how_it_was_made(served: World):
    (release,) = served.get(f"{BASE}/questions/rail/releases").json()["releases"]

    assert release["formula"] == "gender + (1|district)"
    assert release["priors"] == {"intercept": "Normal(0, 1.5)"}
    assert release["engine"] == "nuts"
    assert release["n_interviews"] == 400


def test_the_number_of_interviews_of_a_tiny_release_is_not_told(world: World):
    world.release(content=wave_csv(20))

    (release,) = world.get(f"{BASE}/questions/rail/releases").json()["releases"]

    assert release["n_interviews"] is None


def test_a_question_without_release_has_an_empty_list(served: World):
    assert served.get(f"{BASE}/questions/tax/releases").json()["releases"] == []
    assert served.get(f"{BASE}/questions/none/releases").json()["type"] == "question-not-found"


def test_diagnostics_carry_verdict_numbers_and_versions(served: World):
    (release,) = served.get(f"{BASE}/questions/rail/releases").json()["releases"]

    body = served.get(f"{release['url']}/diagnostics", "analyst").json()

    assert body["publishable"] is True
    assert body["verdict"] == {"problems": [], "warnings": []}
    assert body["diagnostics"]["parameters"][0]["name"] == "intercept"
    assert body["versions"]["known"] == "1"


def test_a_job_can_be_followed_to_its_end(world: World):
    (job,) = world.push().json()["jobs"]
    assert world.get(job["url"]).json()["state"] == "queued"

    world.work()

    body = world.get(job["url"]).json()
    assert (body["state"], body["code"], body["question"], body["attempt"]) == ("succeeded", "published", "rail", 1)
    assert body["progress"] == 1.0
    assert "400 interviews" in body["detail"]
    assert body["fit_id"] == world.get(f"{BASE}/questions/rail/releases").json()["releases"][0]["fit_id"]
    assert [one["id"] for one in world.get(f"{BASE}/jobs").json()["jobs"]] == [job["id"]]


def test_unknown_ids_are_not_found(served: World):
    assert served.get(f"{BASE}/jobs/none").json()["type"] == "job-not-found"
    assert served.get(f"{BASE}/releases/none").json()["type"] == "release-not-found"
    assert served.get(f"{BASE}/releases/none/diagnostics").json()["type"] == "release-not-found"
