"""Revisions over HTTP: what a release says differently from an earlier one, and why."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mrp.latents import LatentDraws
from mrp.quantity import quantities
from tests.api.slow import areas_of, slow_mean, slow_people, slow_shares
from tests.api.test_estimates import gone
from tests.api.world import DISTRICTS, SMALL, SURVEY, World, change_survey, wave_csv

RAIL = f"/v1/surveys/{SURVEY}/questions/rail"


def ask(world: World, **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"{RAIL}/revision", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


@pytest.fixture
def twice(world: World) -> tuple[World, np.ndarray, np.ndarray]:
    """A world with two releases, and the draws of both."""
    world.release()
    before = world.fit.draws
    world.release("w2", wave_csv(100, start=1000))
    return world, before, world.fit.draws


@pytest.mark.parametrize("parameters", [{"level": "district"}, {"level": "region", "by": "age"}, {"option": "no"}])
def test_a_revision_is_the_difference_of_the_means_with_the_errors_of_both(
    twice: tuple[World, np.ndarray, np.ndarray], parameters: dict[str, str]
):
    world, *both = twice
    body = ask(world, **parameters)

    assert (body["release_number"], body["before"]["release_number"]) == (2, 1)
    assert len(body["revisions"]) == (6 if parameters.get("by") or parameters.get("level") else 1)
    for row in body["revisions"]:
        wanted = row["groups"] | ({} if row["area"] == "all" else {body["level"]: row["area"]})
        old, new = (slow_shares(world, wanted, draws) for draws in both)
        if parameters.get("option") == "no":
            old, new = 1 - old, 1 - new
        assert_allclose([row["before"]["share"], row["after"]["share"]], [slow_mean(old), slow_mean(new)], rtol=1e-5)
        gap = slow_mean(new) - slow_mean(old)
        assert_allclose(row["difference"], gap, atol=1e-6)
        errors = [
            quantities(shares[:, None], LatentDraws(draws, world.fit.design.latent_names, n_chains=4))[0].mc_error
            for shares, draws in zip((old, new), both, strict=True)
        ]
        assert_allclose(row["mc_error"], np.hypot(*errors), rtol=1e-4)
        assert row["beyond_simulation"] == (abs(gap) > 2 * np.hypot(*errors))
        assert row["sentence"].startswith(f"{100 * gap:+.1f} points, ")
        assert row["after"]["n_people"] == slow_people(wanted)
        assert "p_rise" not in row
        assert "low" not in row


def test_a_new_wave_is_the_cause(twice: tuple[World, np.ndarray, np.ndarray]):
    body = ask(twice[0])

    assert (body["causes"], body["reasons"]) == (["data"], [])
    assert [(wave["reference"], wave["change"], wave["text"]) for wave in body["waves"]] == [
        ("w2", "added", "Wave w2 of Alpha was added.")
    ]


def test_a_correction_and_a_withdrawal_say_what_happened_and_why(twice: tuple[World, np.ndarray, np.ndarray]):
    world = twice[0]
    assert world.push("w1", wave_csv(200), replaces="w1", reason="wrong file").status_code == 202
    world.client.post(
        f"/v1/surveys/{SURVEY}/waves/w2/withdraw", headers=world.bearer("pollster"), json={"reason": "no consent"}
    )
    world.work()

    first, second = ask(world)["waves"]
    assert (first["reference"], first["change"]) == ("w1", "corrected")
    assert first["text"].startswith("Wave w1 of Alpha was corrected (version 2) on 2026-03-02: wrong file")
    assert (second["reference"], second["change"]) == ("w2", "removed")
    assert "was withdrawn on 2026-03-02: no consent" in second["text"]
    first_release = world.get(f"{RAIL}/releases").json()["releases"][-1]["id"]
    assert [wave["change"] for wave in ask(world, before=first_release)["waves"]] == ["corrected"]


@pytest.mark.parametrize(
    ("file", "old", "new", "cause", "told"),
    [
        (
            "survey.toml",
            'model = "gender + (1|district)"',
            'model = "gender + (1|district) + (1|age)"',
            "model",
            "The model was gender + (1|district) and is gender + (1|district) + (1|age).",
        ),
        (
            "survey.toml",
            '["woman", "man"]',
            '["woman", "man"]\nrecode = {"W" = "woman"}',
            "model",
            "The codebook changed",
        ),
        ("survey.toml", "[columns]", "[time]\nwindow_days = 90\n[columns]", "model", "and count for 90 days."),
        ("frame.csv", "D1,woman,young,300", "D1,woman,young,400", "frame", "The population frame changed (version 1"),
        ("districts.csv", "D1,District 1,North,0.0", "D1,District 1,North,0.5", "frame", "The table of districts"),
    ],
)
def test_what_changed_in_the_survey_is_a_cause_in_words(
    world: World, file: str, old: str, new: str, cause: str, told: str
):
    world.release()
    change_survey(world, file, old, new)
    world.release("w2", wave_csv(100, start=1000))

    body = ask(world)
    assert body["causes"] == ["data", cause]
    assert [told in reason for reason in body["reasons"]] == [True]


def test_words_that_answers_do_not_depend_on_are_no_cause(world: World):
    world.release()
    change_survey(world, "survey.toml", 'title = "A town"', 'title = "The town"')
    world.release("w2", wave_csv(100, start=1000))

    assert (ask(world)["causes"], ask(world)["reasons"]) == (["data"], [])


def test_an_earlier_release_can_be_named_and_only_an_earlier_one(twice: tuple[World, np.ndarray, np.ndarray]):
    world = twice[0]
    world.release("w3", wave_csv(100, start=2000))
    third, second, first = (one["id"] for one in world.get(f"{RAIL}/releases").json()["releases"])

    assert ask(world)["before"]["release_id"] == second
    assert [wave["reference"] for wave in ask(world, before=first)["waves"]] == ["w2", "w3"]
    assert ask(world, release=second)["before"]["release_id"] == first
    for parameters, told in (
        ({"release": first}, "Release 1 is the first of its question"),
        ({"before": third}, "release 3, which is not earlier than release 3"),
        ({"release": first, "before": second}, "release 2, which is not earlier than release 1"),
    ):
        reply = world.get(f"{RAIL}/revision", params=parameters)
        assert (reply.status_code, reply.json()["type"]) == (422, "bad-estimate-query")
        assert told in reply.json()["detail"]
    assert world.get(f"{RAIL}/revision", params={"before": "none"}).status_code == 404


def test_a_revision_needs_the_draws_of_both(twice: tuple[World, np.ndarray, np.ndarray]):
    world = twice[0]
    gone(world, ask(world)["before"]["release_id"])

    reply = world.get(f"{RAIL}/revision", params={"level": "region"})
    assert (reply.status_code, reply.json()["type"]) == (410, "draws-gone")


def test_groups_that_one_of_the_releases_does_not_answer_are_withheld(world: World):
    world.release()
    change_survey(world, "frame.csv", "D6,man,old,40", "D6,man,old,140")
    world.release("w2", wave_csv(100, start=1000))

    body = ask(world, level="district", by="gender,age")
    assert [(one["area"], *one["groups"].values()) for one in body["withheld"]] == [SMALL]
    assert "fewer than 100 people in the frame on one of them" in body["withheld"][0]["reason"]
    assert len(body["revisions"]) == len(areas_of("district")) * 6 - 1 == len(DISTRICTS) * 6 - 1


def test_the_validator_names_both_releases(twice: tuple[World, np.ndarray, np.ndarray]):
    world = twice[0]
    world.release("w3", wave_csv(100, start=2000))
    _, second, first = (one["id"] for one in world.get(f"{RAIL}/releases").json()["releases"])
    replies = [world.get(f"{RAIL}/revision", params={"before": one}) for one in (first, second)]

    assert replies[0].headers["etag"] != replies[1].headers["etag"]
    again = world.get(
        f"{RAIL}/revision", params={"before": first}, headers={"If-None-Match": replies[0].headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
