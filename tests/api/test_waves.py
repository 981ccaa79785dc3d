"""Pushing a wave over HTTP."""

from typing import Any

import pytest

from tests.api.world import POLLSTER, SURVEY, World, wave_csv


def test_a_wave_is_stored_and_its_refits_are_named(world: World):
    reply = world.push(content=wave_csv(questions=("rail", "tax")))

    assert reply.status_code == 202
    body = reply.json()
    assert (body["reference"], body["pollster"], body["n_interviews"], body["created"]) == ("w1", POLLSTER, 400, True)
    assert [(job["question"], job["state"]) for job in body["jobs"]] == [("rail", "queued"), ("tax", "queued")]
    assert reply.headers["location"] == f"/v1/surveys/{SURVEY}/waves/{body['wave_id']}"
    wave = world.get(reply.headers["location"]).json()
    assert (wave["reference"], wave["fieldwork_end"], wave["questions"]) == ("w1", "2026-02-25", ["rail", "tax"])
    assert world.get(body["jobs"][0]["url"]).json()["state"] == "queued"


def test_the_same_wave_again_gives_the_same_answer_again(world: World):
    first = world.push()
    second = world.push()

    assert (first.status_code, second.status_code) == (202, 200)
    assert second.json() == first.json() | {"created": False}
    assert second.headers["location"] == first.headers["location"]
    assert len(world.get(f"/v1/surveys/{SURVEY}/waves").json()["waves"]) == 1


@pytest.mark.parametrize(
    ("reference", "content", "says"),
    [("w1", wave_csv(start=5000), "other content"), ("w2", wave_csv(), "received as 'w1'")],
    ids=["same-reference", "same-bytes"],
)
def test_a_wave_that_contradicts_an_earlier_one_is_a_conflict(world: World, reference: str, content: bytes, says: str):
    world.push()

    reply = world.push(reference, content)

    assert (reply.status_code, reply.json()["type"]) == (409, "wave-conflict")
    assert says in reply.json()["detail"]


def test_every_fault_of_a_file_is_in_one_reply_and_nothing_is_stored(world: World):
    good = wave_csv(50).decode().splitlines()
    good[3] = good[3].replace("woman", "Woman?").replace("man", "Man?", 1)
    good[5] = "r4,D9,woman,young,yes"
    good[9] = good[9].rsplit(",", 1)[0] + ",perhaps"

    reply = world.push(content="\n".join(good).encode())

    assert (reply.status_code, reply.json()["type"]) == (422, "wave-rejected")
    body = reply.json()
    assert body["n_faults"] == len(body["faults"]) == 3
    assert body["n_rows"] == 50
    assert {fault["row"] for fault in body["faults"]} == {4, 6, 10}
    assert {fault["column"] for fault in body["faults"]} == {"gender", "district", "rail"}
    assert all(fault["reason"] and fault["remedy"] for fault in body["faults"])
    assert world.get(f"/v1/surveys/{SURVEY}/waves").json()["waves"] == []


@pytest.mark.parametrize(
    ("fields", "status", "type_", "says"),
    [
        ({"fieldwork_start": "yesterday"}, 400, "bad-upload", "fieldwork_start must be a day"),
        ({"fieldwork_end": None}, 400, "bad-upload", "fieldwork_end is missing"),
        ({"reference": None}, 400, "bad-upload", "reference is missing"),
        ({"refrence": "w2"}, 400, "bad-upload", "there is no field 'refrence' (the fields are file, fieldwork_start,"),
        ({"reference": "a\0b"}, 400, "nul-character", "reference"),
        ({"pollster": "Somebody else"}, 403, "pollster-refused", "speaks for the pollster 'Alpha'"),
        ({"reference": " "}, 422, "wave-rejected", "1 fault"),
        ({"fieldwork_start": "2026-03-01"}, 422, "wave-rejected", "1 fault"),
    ],
)
def test_a_form_that_cannot_be_used_says_which_field(world: World, fields: dict, status: int, type_: str, says: str):
    reply = world.push(**({"reference": "w1"} | fields))

    assert (reply.status_code, reply.json()["type"]) == (status, type_)
    assert says in reply.json()["detail"]


def test_a_form_without_a_file_is_refused(world: World):
    form = {"reference": "w1", "fieldwork_start": "2026-02-20", "fieldwork_end": "2026-02-25"}
    reply = world.client.post(
        f"/v1/surveys/{SURVEY}/waves", headers=world.bearer("pollster"), files={k: (None, v) for k, v in form.items()}
    )

    assert (reply.status_code, reply.json()["type"]) == (400, "bad-upload")
    assert reply.json()["detail"] == "The form cannot be used: file is missing."


def test_everything_that_is_wrong_with_a_form_is_in_one_reply(world: World):
    form: dict[str, Any] = {
        "file": (None, "id,rail"),
        "reference": ("w1.txt", b"w1"),
        "fieldwork_start": (None, "23 Nov"),
        "wave": (None, "1"),
    }
    reply = world.client.post(f"/v1/surveys/{SURVEY}/waves", headers=world.bearer("pollster"), files=form)

    assert (reply.status_code, reply.json()["type"]) == (400, "bad-upload")
    detail = reply.json()["detail"]
    for said in (
        "fieldwork_end is missing",
        "no field 'wave'",
        "file must be a file",
        "reference must be text",
        "fieldwork_start must be a day such as 2026-11-23, got '23 Nov'",
    ):
        assert said in detail
    assert "<class" not in detail


def test_a_field_given_twice_is_refused(world: World):
    form = [("reference", (None, "a")), ("reference", (None, "b")), ("file", ("w.csv", wave_csv()))]
    reply = world.client.post(f"/v1/surveys/{SURVEY}/waves", headers=world.bearer("pollster"), files=form)

    assert "reference was given more than once" in reply.json()["detail"]


def test_an_admin_names_the_pollster(world: World):
    assert world.push(role="admin").json()["type"] == "bad-upload"
    reply = world.push(role="admin", pollster="Gamma")
    assert (reply.status_code, reply.json()["pollster"]) == (202, "Gamma")


@pytest.mark.parametrize("media_type", ["application/json", "text/csv", "application/x-www-form-urlencoded"])
def test_an_upload_that_is_no_form_is_refused_by_its_media_type(world: World, media_type: str):
    reply = world.client.post(
        f"/v1/surveys/{SURVEY}/waves",
        headers=world.bearer("pollster") | {"Content-Type": media_type},
        content=b"reference=w1",
    )

    assert (reply.status_code, reply.json()["type"]) == (415, "unsupported-media-type")
    assert media_type in reply.json()["detail"]


def test_a_damaged_form_is_a_bad_request(world: World):
    reply = world.client.post(
        f"/v1/surveys/{SURVEY}/waves",
        headers=world.bearer("pollster") | {"Content-Type": "multipart/form-data"},
        content=b"--x\r\nnonsense",
    )

    assert (reply.status_code, reply.json()["type"]) == (400, "bad-request")


def test_a_file_over_the_limit_is_refused(world: World):
    limit = world.settings.max_upload_mb * 1_000_000
    reply = world.push(content=b"x" * (limit + 200_000))

    assert (reply.status_code, reply.json()["type"]) == (413, "too-large")
    assert f"{world.settings.max_upload_mb} MB at most (setting max_upload_mb)" in reply.json()["detail"]


def test_waves_are_listed_in_order_of_arrival(world: World):
    world.push("b")
    world.push("a", wave_csv(start=900))

    waves = world.get(f"/v1/surveys/{SURVEY}/waves").json()["waves"]

    assert [wave["reference"] for wave in waves] == ["b", "a"]


def test_an_unknown_wave_is_not_found(world: World):
    reply = world.get(f"/v1/surveys/{SURVEY}/waves/none")
    assert (reply.status_code, reply.json()["type"]) == (404, "wave-not-found")
