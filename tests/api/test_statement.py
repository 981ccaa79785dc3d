"""The disclosure statement: what it tells, in which form, when it is missing, and that it outlives the draws."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from sqlalchemy import text

from api.payloads import ConfirmationPayload
from api.statement import render_html, render_markdown
from api.statement.markdown import _plain
from api.statement.payloads import StatementPayload, StatementSection, StatementTable
from jobs.survey import load_survey, update_survey
from polling.disclosure_items import REQUIRED_ITEMS
from tests.api.world import NOON, OTHER, POLLSTER, SURVEY, World, wave_csv, write_survey

HOSTILE = '<script>alert(1)</script> | *x* [a](javascript:b) "&'

SECTIONS = {
    "release": "AAPOR 1",
    "sponsor": "AAPOR 2",
    "population": "AAPOR 4",
    "sample": "AAPOR 5",
    "fieldwork": "AAPOR 7",
    "wording": "AAPOR 3",
    "sample_size": "AAPOR 8",
    "weighting": "AAPOR 9",
    "representation": "AAPOR 8",
    "model": "AAPOR 10",
    "priors": "AAPOR 9",
    "engine": "AAPOR 10",
    "diagnostics": "AAPOR 10",
    "software": "AAPOR 10",
    "systematic_error": "AAPOR 8",
    "quality": "AAPOR 10",
    "changes": "AAPOR 10",
    "limits": "AAPOR 11",
    "more": "AAPOR",
}
"""Every section of a statement, in order, and one who asks for it."""


def path_of(world: World) -> str:
    url = world.get(f"/v1/surveys/{SURVEY}/questions/rail/releases").json()["releases"][0]["url"]
    return f"{url}/disclosure"


def statement(world: World, role: str = "reader") -> dict[str, Any]:
    reply = world.get(path_of(world), role)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def words(told: dict[str, Any], name: str) -> str:
    """Everything that a section says, in one text."""
    (one,) = [section for section in told["sections"] if section["id"] == name]
    rows = [cell for table in one["tables"] for row in table["rows"] for cell in row]
    return " / ".join([*one["text"], *rows])


def push_with(world: World, reference: str, **facts: Any) -> None:
    reply = world.push(reference, wave_csv(start=len(reference) * 1000), facts=json.dumps(facts))
    assert reply.status_code == 202, reply.text


def test_every_item_of_aapor_has_a_section(served: World):
    told = statement(served)

    assert [one["id"] for one in told["sections"]] == list(SECTIONS)
    for section in told["sections"]:
        assert SECTIONS[section["id"]] in section["asked_by"]
        assert section["text"] or section["tables"]
    items = {int(one.removeprefix("AAPOR ")) for s in told["sections"] for one in s["asked_by"] if one[-1].isdigit()}
    assert items == set(range(1, 12))


def test_it_tells_what_was_declared_and_stored(served: World):
    told = statement(served)

    assert (told["release_number"], told["n_waves"], told["engine"], told["current"]) == (1, 1, "nuts", True)
    assert f"{POLLSTER} / Nobody" in words(told, "sponsor")
    assert "Adults of the town." in words(told, "population")
    assert "15,640 people in 6 districts (district) and 36 combinations" in words(told, "population")
    assert "random digits." in words(told, "sample")
    assert "from 2026-02-20 to 2026-02-25." in words(told, "fieldwork")
    assert "w1 / 1 / 2026-02-20 / 2026-02-25 / telephone / random digits / not told / about 400" in words(
        told, "fieldwork"
    )
    assert words(told, "wording").startswith("“Should a rail line be built?” / Answers counted: yes, no.")
    assert "eta = intercept + gender + (1|district)" in words(told, "model")
    assert "a coefficient of gender, the same everywhere" in words(told, "model")
    assert told["priors"] == {"intercept": "Normal(0, 1.5)"}
    assert "divergent transitions / 0" in words(told, "diagnostics")
    assert "known / 1" in words(told, "software")
    assert "not a forecast" in words(told, "release")
    assert "not a count of any district's people" in words(told, "limits")
    assert "Polls miss together" in words(told, "limits")


def test_the_sample_size_is_the_one_that_estimates_tell_and_not_the_exact_one(world: World):
    world.release()
    with world.store.write() as session:
        session.execute(text("UPDATE fit SET n_interviews = 999"))  # the exact one could be equal by chance
    (nation,) = world.estimates(level="nation")["estimates"]

    told = statement(world)

    assert told["n_interviews"] == nation["n_interviews"]
    assert f"{nation['n_interviews']} interviews are in the model." in words(told, "sample_size")


def test_it_is_given_when_draws_and_counts_are_gone(world: World):
    world.release()
    before = statement(world)
    with world.store.write() as session:
        session.execute(text("DELETE FROM fit_draws"))
        session.execute(text("UPDATE fit SET counts = NULL"))

    after = statement(world)

    assert world.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates").status_code == 410
    assert (after["n_interviews"], after["n_interviews_rounded"], after["answers"]) == (400, True, False)
    same = {"release", "sponsor", "population", "sample", "fieldwork", "wording", "model", "priors", "diagnostics"}
    for name in same:
        assert words(after, name) == words(before, name)


def test_fewer_interviews_than_may_be_told_are_not_told(world: World):
    world.release(content=wave_csv(12))

    told = statement(world)

    assert told["n_interviews"] is None
    assert "Fewer than 30 interviews" in words(told, "sample_size")
    assert words(told, "fieldwork").endswith("fewer than 30")


def test_what_waves_tell_otherwise_than_the_survey_is_told_of_each(world: World):
    push_with(world, "w1")
    push_with(world, "w20", sponsor="A party", mode="web", wording={"rail": "Do you want a rail line?"})
    world.work()

    told = statement(world)

    assert f"{POLLSTER} / Nobody; A party" in words(told, "sponsor")
    assert f"Mode of interviewing in w20 of {POLLSTER}: web." in words(told, "sample")
    assert f"Asked in w20 of {POLLSTER}: “Do you want a rail line?”" in words(told, "wording")
    assert f"Asked in w1 of {POLLSTER}: “Should a rail line be built?”" in words(told, "wording")


def test_a_wave_that_was_withdrawn_is_told_by_the_release_that_had_it_and_by_the_next(world: World):
    push_with(world, "w1")
    push_with(world, "w20")
    world.work()
    old = path_of(world)
    body = {"reason": "wrong file"}
    world.client.post(f"/v1/surveys/{SURVEY}/waves/w20/withdraw", headers=world.bearer("pollster"), json=body)

    assert f"{POLLSTER} / w20 / withdrawn / yes" in words(world.get(old).json(), "changes")
    world.work()
    new = statement(world)
    assert "w20 of Alpha was withdrawn" in words(new, "changes")
    assert f"{POLLSTER} / w20 / withdrawn / no" in words(new, "changes")
    assert world.get(old).json()["current"] is False
    assert "Release 2 replaced it." in words(world.get(old).json(), "changes")


def test_quality_is_told_in_words_without_numbers(world: World):
    push_with(world, "w1")
    world.work()
    flags = '[{"kind": "speeders", "about": null, "measured": 0.01, "limit": 0, "over": true, "words": "3 of 400"}]'
    with world.store.write() as session:
        session.execute(text("UPDATE wave_version SET flags = :flags"), {"flags": flags})

    told = words(statement(world), "quality")

    assert "Some interviews were much quicker than the others." in told
    assert "3 of 400" not in told


def silent_town(world: World, *told: str) -> None:
    """A new version of the survey that tells nothing of the required items but these."""
    folder = write_survey(world.settings.data_dir / "silent")
    file = folder / "survey.toml"
    kept = [
        line
        for line in file.read_text().splitlines()
        if (name := line.partition(" =")[0]) not in REQUIRED_ITEMS or name in told
    ]
    file.write_text("\n".join(kept))
    update_survey(world.store, world.secrets, world.settings, load_survey(folder), actor="t", now=world.now)


def test_a_release_without_a_required_item_is_not_published_until_it_is_told(world: World):
    world.release()
    silent_town(world, "mode")
    world.push("w2", wave_csv(start=1000))
    world.work()

    question = world.get(f"/v1/surveys/{SURVEY}/questions/rail", "reader").json()
    (job, *_) = world.get(f"/v1/surveys/{SURVEY}/jobs", "analyst").json()["jobs"]

    assert statement(world)["release_number"] == 1
    assert job["code"] == "disclosure-incomplete"
    for told in (question["stale_reason"], job["detail"]):
        assert "who paid for the interviews (sponsor; waves w1 of Alpha, w2 of Alpha)" in told
        assert "where respondents came from (sample_source; waves w1 of Alpha, w2 of Alpha)" in told
        assert "mode" not in told
    (mine, *_) = world.get(f"/v1/surveys/{SURVEY}/jobs", "pollster").json()["jobs"]
    assert mine["detail"].startswith("It was not published: who paid")

    silent_town(world, "mode", "sponsor", "sample_source")
    world.work()
    assert statement(world)["release_number"] == 2
    question = world.get(f"/v1/surveys/{SURVEY}/questions/rail", "reader").json()
    assert question["stale_reason"] is None


def test_waves_may_tell_what_the_survey_does_not(world: World):
    silent_town(world)
    push_with(world, "w1", sponsor="A paper", mode="web", sample_source="not known")
    world.work()

    assert "not known." in words(statement(world), "sample")


def test_a_fit_that_was_held_back_is_not_published_without_them_either(world: World):
    world.release()
    silent_town(world)
    hold = f"/v1/surveys/{SURVEY}/questions/rail/hold"
    world.client.post(hold, headers=world.bearer("analyst"), json={"reason": "look"})
    world.work()
    world.client.post(f"{hold}/end", headers=world.bearer("analyst"), json={"reason": "done"})

    question = world.get(f"/v1/surveys/{SURVEY}/questions/rail", "reader").json()

    assert statement(world)["release_number"] == 1
    assert "who paid" in question["stale_reason"]


# Forms


@pytest.mark.parametrize(
    ("asked", "accept", "given"),
    [
        (None, None, "application/json"),
        (None, "*/*", "application/json"),
        (None, "text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        (None, "text/markdown", "text/markdown; charset=utf-8"),
        (None, "text/markdown, application/json;q=0.5", "text/markdown; charset=utf-8"),
        ("html", "application/json", "text/html; charset=utf-8"),
        ("markdown", None, "text/markdown; charset=utf-8"),
        ("json", "text/html", "application/json"),
    ],
)
def test_the_form_is_the_one_asked_for_or_else_the_one_preferred(
    served: World, asked: str | None, accept: str | None, given: str
):
    reply = served.get(
        path_of(served), params={"format": asked} if asked else {}, headers={"Accept": accept} if accept else {}
    )

    assert (reply.status_code, reply.headers["content-type"]) == (200, given)
    assert reply.headers["vary"] == "Accept, Accept-Encoding, Authorization"


def test_another_form_is_refused_with_those_that_there_are(served: World):
    reply = served.get(f"{path_of(served)}?format=htm")

    assert (reply.status_code, reply.json()["type"]) == (422, "unknown-choice")
    assert "Did you mean 'html'?" in reply.json()["detail"]


def test_an_accept_that_admits_no_form_is_refused(served: World):
    reply = served.get(path_of(served), headers={"Accept": "image/png"})

    assert (reply.status_code, reply.json()["type"]) == (406, "not-acceptable")
    assert reply.json()["allowed"] == ["application/json", "text/html", "text/markdown"]


def test_each_form_has_a_validator_that_lasts_as_long_as_nothing_else_is_said(world: World):
    world.release()
    path = path_of(world)
    forms = [{"format": form} for form in ("json", "html", "markdown")]
    first = [world.get(path, params=form) for form in forms]

    tags = [reply.headers["etag"] for reply in first]
    assert len(set(tags)) == 3
    # When it was written is in it: the same statement is not the same bytes.
    assert all(tag.startswith('W/"') for tag in tags)
    world.now += timedelta(hours=1)
    for form, before in zip(forms, first, strict=True):
        again = world.get(path, params=form, headers={"If-None-Match": before.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("etag", "vary", "cache-control"):
            assert again.headers[name] == before.headers[name]
        assert before.headers["cache-control"] == "private, no-cache"
        head = world.client.head(path, params=form, headers=world.bearer("admin"))
        assert (head.content, head.headers["etag"]) == (b"", before.headers["etag"])

    world.release("w2", wave_csv(100, start=9000))  # by now it is not the current one
    for form, before in zip(forms, first, strict=True):
        assert world.get(path, params=form, headers={"If-None-Match": before.headers["etag"]}).status_code == 200


def test_a_release_of_another_survey_is_not_found(served: World):
    everything = {"Authorization": f"Bearer {served.key('reader', survey=None)}"}
    path = path_of(served).replace(SURVEY, OTHER)

    assert served.client.get(path, headers=everything).json()["type"] == "release-not-found"


class Page(HTMLParser):
    """What a page has: tags with attributes in order, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def hostile() -> StatementPayload:
    table = StatementTable(HOSTILE, [HOSTILE, "b"], [[HOSTILE, HOSTILE]])
    section = StatementSection("sponsor", HOSTILE, [HOSTILE], [HOSTILE, "# no heading", "1. no list"], [table])
    return StatementPayload(
        survey="s",
        question="q",
        title=HOSTILE,
        release_id="r",
        release_number=1,
        survey_version=1,
        published_at=NOON,
        current=True,
        data_through=date(2026, 3, 1),
        written_at=NOON,
        text=HOSTILE,
        universe=HOSTILE,
        n_interviews=None,
        n_interviews_rounded=False,
        n_waves=0,
        formula="1",
        priors={},
        engine="nuts",
        versions={},
        answers=True,
        confirmation=ConfirmationPayload("none", None, "."),
        sections=[section],
    )


def test_the_page_is_whole_safe_and_accessible(served: World):
    reply = served.get(f"{path_of(served)}?format=html")
    page = Page(reply.text)

    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("title")) == len(page.all("h1")) == len(page.all("main")) == 1
    assert len(page.all("h2")) == len(SECTIONS)
    assert len(page.all("table")) == len(page.all("caption")) > 3
    assert {head["scope"] for head in page.all("th")} == {"col", "row"}
    labelled = [one["aria-labelledby"] for one in page.all("section")]
    assert labelled == [one["id"] for one in page.all("h2")] == list(SECTIONS)
    # Nothing is loaded and nothing runs.
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "form", "a", "base"}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
    policy = reply.headers["content-security-policy"]
    assert f"style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "@media print" in style


def test_what_pollsters_say_is_text_on_the_page():
    page = Page(render_html(hostile()))

    assert not page.all("script")
    assert not page.all("a")
    assert page.texts.count(HOSTILE) == 7 + 1  # title, h1, h2, paragraph, caption, head, two cells
    assert {"aria-label": HOSTILE, "class": "scroll", "role": "region", "tabindex": "0"} in page.all("div")


def markdown_tokens(source: str) -> list[Any]:
    return MarkdownIt("commonmark").enable("table").parse(source)


def test_what_pollsters_say_is_text_in_markdown():
    tokens = markdown_tokens(render_markdown(hostile()))
    inline = [child for token in tokens for child in token.children or ()]

    assert not {"html_block", "list_item_open", "code_block", "fence"} & {token.type for token in tokens}
    assert not {"link_open", "html_inline", "image", "code_inline"} & {child.type for child in inline}
    assert len([token for token in tokens if token.type == "table_open"]) == 1
    assert len([token for token in tokens if token.type == "td_open"]) == 2
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2"]


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1))
def test_any_text_is_read_back_from_markdown_as_it_was(said: str):
    line = " ".join(said.split())
    if not line:
        return
    read = markdown_tokens(_plain(said))
    told = "".join(child.content for token in read for child in token.children or ())

    assert ([token.type for token in read], told) == (["paragraph_open", "inline", "paragraph_close"], line)


def test_a_time_term_takes_back_that_waves_are_pooled(world: World):
    from api.statement.caveats import caveat_sections
    from api.statement.records import read_records
    from polling.disclosure import DisclosureRules

    release = world.release()
    with world.store.read() as session:
        records = read_records(session, release, world.secrets, DisclosureRules())
    moving = replace(records, fit=replace(records.fit, formula="ar1(period)"))

    def says(one: Any) -> bool:
        return any("pools its waves" in text for section in caveat_sections(one) for text in section.text)

    assert (says(records), says(moving)) == (True, False)


def test_it_does_not_change_with_the_time_but_for_when_it_was_written(world: World):
    world.release()
    first = statement(world)
    world.now += timedelta(days=1)
    second = statement(world)

    assert second.pop("written_at") > first.pop("written_at")
    assert first == second
