"""Every page with every kind of caller, found by looking at the application; surveys that are public."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import get

from api.app import handlers_of
from api.auth import PAGES, PUBLIC, ROLES, operation_id
from api.page_access import VISITOR
from polling.keys import Role
from polling.store.engine import open_store
from tests.api.world import OTHER, SURVEY, World, change_survey, make_world

QUESTION = f"/surveys/{SURVEY}/questions/rail"


@pytest.fixture(scope="module")
def public(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A public survey with a release, and one that is not public."""
    folder = tmp_path_factory.mktemp("public")
    (folder / "hustings.db").write_bytes(_sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder, key_rate=0.0)
    change_survey(world, "survey.toml", 'title = "A town"', 'title = "A town"\npublic = true')
    with world.client:
        world.release()
        yield world
    store.close()


@pytest.fixture(autouse=True)
def _drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of fits take seconds; who may see them is all that matters here."""
    monkeypatch.setattr("api.routes.pictures.figure_of", lambda *_: "<svg/>")


def pages_of(world: World) -> dict[str, str]:
    """Operation id of every page but streams -> its path in the survey."""
    release = world.get(f"/v1{QUESTION}/releases").json()["releases"][0]["id"]
    figures = world.get(f"/v1/surveys/{SURVEY}/releases/{release}/figures").json()["figures"]
    known = {"name": figures[0]["name"]} if figures else {}
    known |= {"survey_id": SURVEY, "question_id": "rail", "district": "D1", "release_id": release}
    found = {}
    for handler in handlers_of(world.app):
        if operation_id(handler) in PAGES and operation_id(handler) != "pageEvents":
            (template,) = handler.paths
            found[operation_id(handler)] = re.sub(r"{(\w+):\w+}", lambda name: known[name[1]], template)
    return found


def test_a_page_is_open_to_the_roles_of_the_route_that_it_shows(served: World):
    pages = pages_of(served)
    assert pages.keys() | {"pageEvents"} == PAGES.keys()
    found = {
        (operation, str(role)): served.page(path, str(role)).status_code
        for operation, path in pages.items()
        for role in Role
    }
    assert found == {
        (operation, str(role)): 200 if role in ROLES[PAGES[operation]] else 403 for operation in pages for role in Role
    }


def test_a_visitor_is_asked_to_sign_in_whether_the_survey_exists_or_not(served: World):
    for operation, path in pages_of(served).items():
        if operation == "pageHome":
            continue
        replies = [served.page(path.replace(f"/{SURVEY}", f"/{survey}"), None) for survey in (SURVEY, "nowhere")]
        assert [one.status_code for one in replies] == [401, 401], operation
        one, other = (re.sub("[0-9a-f]{64}", "", reply.text).replace(SURVEY, "nowhere") for reply in replies)
        assert one == other
        assert f'name="next" value="/surveys/{SURVEY}' in replies[0].text


def test_a_key_of_another_survey_sees_no_page(served: World):
    key = served.key("admin", survey=OTHER)
    served.keys["stranger"] = key
    for operation, path in pages_of(served).items():
        reply = served.page(path, "stranger")
        assert reply.status_code == (200 if operation == "pageHome" else 404), operation
        assert f'href="/surveys/{SURVEY}' not in reply.text
        assert operation == "pageHome" or not {"A town", "rail line"} & set(re.findall("A town|rail line", reply.text))


def test_pages_of_a_public_survey_need_no_account_and_show_what_a_reader_sees(public: World):
    for operation, path in pages_of(public).items():
        expected = 200 if VISITOR in ROLES[PAGES[operation]] else 401
        reply = public.page(path, None)
        assert reply.status_code == expected, operation
        assert operation == "pageFigure" or "Sign in" in reply.text
    assert public.page("/surveys/village", None).status_code == 401
    assert public.client.get(f"/v1/surveys/{SURVEY}").status_code == 401


def test_a_visitor_sees_the_public_surveys_and_no_other(public: World):
    home = public.page("/", None)
    assert home.status_code == 200
    assert 'href="/surveys/town"' in home.text
    assert "village" not in home.text


def test_who_may_not_read_estimates_still_sees_what_everybody_sees(public: World):
    assert public.page(QUESTION, "pollster").status_code == 200
    public.keys["stranger"] = public.key("admin", survey=OTHER)
    assert public.page(QUESTION, "stranger").status_code == 200
    assert public.page(f"/surveys/{SURVEY}/releases/none/diagnostics", "stranger").status_code == 404


def test_without_a_public_survey_the_first_page_asks_to_sign_in(world: World):
    reply = world.page("/", None)
    assert reply.status_code == 200
    assert 'action="/sign-in"' in reply.text
    assert "town" not in reply.text


def test_a_survey_that_is_not_public_any_more_is_closed_at_once(world: World):
    change_survey(world, "survey.toml", 'title = "A town"', 'title = "A town"\npublic = true')
    assert world.page(f"/surveys/{SURVEY}", None).status_code == 200
    change_survey(world, "survey.toml", "public = true\n", "")
    assert world.page(f"/surveys/{SURVEY}", None).status_code == 401


def test_a_page_that_nobody_decided_about_does_not_start():
    from api.auth import check_policy

    @get("/surprise", operation_id="pageSurprise")
    async def page() -> None: ...

    with pytest.raises(Exception, match="has no roles"):
        check_policy([page])
    assert not PAGES.keys() & (ROLES.keys() | PUBLIC)
    assert set(PAGES.values()) <= ROLES.keys()


def test_an_address_without_a_key_is_limited_on_public_pages(sqlite_store: Any, tmp_path: Path):
    world = make_world(sqlite_store, tmp_path, key_rate=0.001, key_burst=2)
    change_survey(world, "survey.toml", 'title = "A town"', 'title = "A town"\npublic = true')
    with world.client:
        found = [world.page(f"/surveys/{SURVEY}", None).status_code for _ in range(3)]
    assert found == [200, 200, 429]
