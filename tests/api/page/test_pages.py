"""What pages say: the numbers of the interface in words, who is left out, what to know, where else to go."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from api.page.words import chance, ends, percent, points
from jobs.release_acts import hold
from polling.store.checks import add_check
from tests.api.page.browser import token_in
from tests.api.world import SURVEY, World, wave_csv

QUESTION = f"/surveys/{SURVEY}/questions/rail"
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


def words(reply: Any) -> str:
    """What a page says, without its marks and charts."""
    assert reply.status_code == 200, reply.text
    text = re.sub(r"<svg.*?</svg>", " ", reply.text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


@pytest.mark.parametrize(
    ("share", "text"), [(0.537, "54%"), (0.0, "0%"), (0.004, "<1%"), (1.0, "100%"), (0.996, ">99%"), (0.005, "<1%")]
)
def test_a_share_is_a_percentage_that_never_rounds_to_nobody_or_everybody(share: float, text: str):
    assert percent(share) == text


def test_intervals_differences_and_chances_in_words():
    assert ends(0.487, 0.571) == "49 to 57%"
    assert [points(one) for one in (0.0321, -0.01, 0.0004, -0.0004)] == [
        "+3.2 points",
        "−1.0 points",
        "0.0 points",
        "0.0 points",
    ]
    assert [chance(one) for one in (0.999, 0.001, 0.5)] == ["more than 99%", "less than 1%", "50%"]


def test_the_first_screen_says_what_the_interface_says(served: World):
    said = words(served.page(QUESTION))
    (row,) = served.estimates()["estimates"]
    assert f"yes {percent(row['share'])} {ends(row['low'], row['high'])}" in said
    assert f"between {percent(row['low'])} and {percent(row['high'])} with a probability of 90%" in said
    assert "This is the first release of the question." in said
    assert "About 400 interviews in 1 wave, the newest of 25 February 2026." in said
    for one in served.estimates(by="age")["estimates"]:
        assert f"{one['groups']['age']} {percent(one['share'])} {ends(one['low'], one['high'])}" in said


def test_every_chart_has_its_table(served: World):
    for path in (QUESTION, f"{QUESTION}/districts", f"{QUESTION}/districts/D1", f"{QUESTION}/seats"):
        text = served.page(path).text
        assert text.count("<svg") > 1, path  # the mark of the house is one
        assert "<table" in text, path


def test_a_group_that_is_too_small_is_named_without_a_number(served: World):
    text = served.page(f"{QUESTION}/crosstab?rows=age&columns=gender&where=district:D6").text
    (row,) = re.findall(r'<tr><th scope="row">old</th>(.*?)</tr>', text, flags=re.DOTALL)
    assert '<abbr title="Fewer than 100 people in the frame.">—</abbr>' in row


def test_few_interviews_are_not_counted_out(served: World):
    said = words(served.page(f"{QUESTION}/districts?order=name"))
    rows = served.estimates(level="district")["estimates"]
    by_area = {row["area"]: row for row in rows}
    assert by_area["D6"]["n_interviews"] is None
    assert re.search(r"District 6 \S+ \d+ to \d+% few", said)
    assert re.search(r"District 5 \S+ \d+ to \d+% none", said)


def test_a_crosstab_is_that_of_the_interface(served: World):
    said = words(served.page(f"{QUESTION}/crosstab?rows=gender&columns=age&option=no&where=region:North"))
    found = served.estimates(by="gender,age", option="no", where="region:North")["estimates"]
    assert len(found) == 6
    for row in found:
        assert f"{percent(row['share'])} {ends(row['low'], row['high'])}" in said
    assert "region: North" in said


def test_the_form_adds_who_is_counted_to_the_address(served: World):
    reply = served.page(
        f"{QUESTION}/crosstab?rows=age&columns=-&where=region:North&only=gender:woman&option=yes",
        follow_redirects=False,
    )
    assert reply.status_code == 303
    assert reply.headers["location"] == (
        f"{QUESTION}/crosstab?rows=age&columns=-&where=region%3ANorth%2Cgender%3Awoman&option=yes"
    )
    assert "woman" in words(served.page(reply.headers["location"]))


@pytest.mark.parametrize("order", ["name", "highest", "lowest", "closest"])
def test_districts_stand_in_the_order_that_is_asked_for(served: World, order: str):
    said = served.page(f"{QUESTION}/districts?order={order}").text
    named = re.findall(r'<th scope="row"><a [^>]*>(District \d)</a>', said)
    rows = served.estimates(level="district")["estimates"]
    key: Any = {
        "name": lambda row: row["area_name"],
        "highest": lambda row: -row["share"],
        "lowest": lambda row: row["share"],
        "closest": lambda row: abs(row["share"] - 0.5),
    }[order]
    assert named == [row["area_name"] for row in sorted(rows, key=key)]


def test_a_district_is_told_with_its_rank_and_its_groups(served: World):
    said = words(served.page(f"{QUESTION}/districts/D2"))
    profile = served.get(f"/v1{QUESTION}/districts/D2").json()
    assert "District 2 D2 · region North" in said
    assert f"Of 6 districts it stands at place {profile['district']['rank_low']:.0f}" in said
    assert f"{percent(profile['district']['share'])}" in said


def test_seats_and_the_closest_districts(served: World):
    said = words(served.page(f"{QUESTION}/seats"))
    told = served.get(f"/v1{QUESTION}/seats").json()["options"][0]
    assert f"A majority for “yes” has a probability of {chance(told['p_majority'])}." in said


def test_a_trend_is_told_where_the_model_has_periods(weekly: World, served: World):
    assert f'href="{QUESTION}/trend"' in weekly.page(QUESTION).text
    said = words(weekly.page(f"{QUESTION}/trend?by=gender"))
    points_told = weekly.get(f"/v1{QUESTION}/trend?by=gender").json()["points"]
    for point in points_told:
        assert f"{percent(point['share'])} {ends(point['low'], point['high'])}" in said
    assert "week0 of Alpha (2026-W07)" in said
    assert f'href="{QUESTION}/trend"' not in served.page(QUESTION).text
    assert "no term of period" in words(served.page(f"{QUESTION}/trend"))


def test_change_is_told_with_its_probability_where_there_are_periods(weekly: World):
    said = words(weekly.page(QUESTION))
    (change,) = weekly.get(f"/v1{QUESTION}/change").json()["changes"]
    assert f"{points(change['difference'])} from 2026-W08 to 2026-W09: {change['words']}." in said


def test_a_release_can_be_named_and_says_what_is_served_now(world: World):
    first = world.release()
    world.release("w2", wave_csv(200, start=1000))
    now, then = words(world.page(QUESTION)), words(world.page(f"{QUESTION}?release={first.id}"))
    assert "Since release 1" in now
    assert "This is release 1, which is not served any more. Release 2 replaced it." in then
    listed = words(world.page(f"{QUESTION}/releases"))
    assert listed.index("Release 2 served now") < listed.index("Release 1 2 March 2026")
    changed = words(world.page(f"{QUESTION}/revision"))
    assert "From release 1 to release 2" in changed
    assert "Wave w2 of Alpha was added." in changed
    assert "Release 1" in words(world.page(f"/surveys/{SURVEY}/releases/{first.id}/disclosure"))


def test_what_is_stale_or_held_says_so_at_once(world: World):
    world.release()
    assert "Not up to date" not in words(world.page(QUESTION))
    world.push("w2", wave_csv(200, start=1000))
    assert "Not up to date since 2 March 2026, 12:01 UTC." in words(world.page(QUESTION))
    about: dict[str, Any] = {"survey_id": SURVEY, "question_id": "rail", "now": world.now, "actor": "somebody"}
    hold(world.store, world.secrets, world.settings, reason="The wave looks odd", **about)
    assert "Held. Held by somebody on" in words(world.page(QUESTION))


def test_what_the_fit_warns_of_is_on_the_first_screen(world: World):
    world.fit.warnings = ["Pollster and period cannot be told apart."]
    world.release()
    assert "Pollster and period cannot be told apart." in words(world.page(QUESTION))


def concern(sentence: str, severity: str) -> dict[str, Any]:
    about = {"kind": "misfit", "columns": ["age"], "levels": ["old"], "size": 0.1, "strength": 3.0}
    return about | {"severity": severity, "sentence": sentence, "advice": "add age to the model"}


def test_what_checks_found_is_on_the_first_screen_the_worst_first(world: World):
    release = world.release()
    group = {"levels": ["old"], "n_interviews": 120, "observed": 0.7, "predicted": 0.5, "low": 0.4, "high": 0.6}
    margin = {"columns": ["age"], "found": "misfit", "groups": [group | {"residual": 3.0, "off": True}]}
    fitting = {"columns": ["gender"], "found": "fits", "groups": []}
    concerns = [concern("Old people are off.", "notable"), concern("A pollster is biased.", "grave")]
    with world.store.write() as session:
        add_check(
            session,
            release,
            kind="posterior-predictive",
            content={"interval": 0.9, "margins": [fitting, margin]},
            concerns=concerns,
            now=world.now,
        )

    said = words(world.page(QUESTION))
    assert said.index("A pollster is biased.") < said.index("Old people are off.")
    checks = words(world.page(f"/surveys/{SURVEY}/releases/{release.id}/checks"))
    assert "A pollster is biased. Add age to the model." in checks
    assert "Age: does not fit" in checks
    assert "old off 120 70% 50% 40 to 60%" in checks
    assert "1 comparison that fits" in checks


def test_who_was_interviewed_and_other_methods_say_what_the_interface_says(served: World):
    release = served.get(f"/v1{QUESTION}/releases").json()["releases"][0]["id"]
    path = f"/surveys/{SURVEY}/releases/{release}/representation"
    said = words(served.page(path))
    for sentence in served.get(f"/v1{path}").json()["summary"]:
        assert " ".join(sentence.split()) in said
    said = words(served.page(f"{QUESTION}/methods?by=gender"))
    for row in served.get(f"/v1{QUESTION}/methods?by=gender").json()["methods"]:
        assert row["sentence"] in said
        assert f"{percent(row['raw']['share'])} {ends(row['raw']['low'], row['raw']['high'])}" in said


def test_labels_are_text_and_never_markup(world: World):
    from tests.api.world import change_survey

    change_survey(world, "survey.toml", "Should a rail line be built?", "<script>alert(1)</script> & more?")
    world.release()
    for path in ("/", f"/surveys/{SURVEY}", QUESTION, f"{QUESTION}/crosstab"):
        text = world.page(path).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more?" in text


def test_pages_have_the_headers_that_keep_them_to_themselves(served: World):
    for reply in (served.page("/"), served.page(QUESTION), served.page("/sign-in", None), served.page("/nothing")):
        about = reply.headers
        assert set(about["content-security-policy"].split("; ")) == POLICY
        assert about["x-content-type-options"] == "nosniff"
        assert about["referrer-policy"] == "same-origin"
        assert about["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in about["permissions-policy"]
        assert about["cache-control"] in ("private, no-cache", "no-store")
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", reply.text)
        assert not re.search(r"<script(?! src=\"/page/live\.[0-9a-f]{12}\.js\" defer></script>)", reply.text)


def test_a_page_that_the_browser_has_is_not_sent_again(served: World):
    first = served.page(QUESTION)
    again = served.page(QUESTION, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert served.page(QUESTION, "reader").headers["etag"] != first.headers["etag"]


def test_a_page_is_made_once_for_each_release(served: World, monkeypatch: pytest.MonkeyPatch):
    served.page(f"{QUESTION}/crosstab?rows=gender")
    monkeypatch.setattr("api.page.crosstab._crosstab", None)
    first, other = (served.page(f"{QUESTION}/crosstab?rows=gender", role) for role in ("admin", "admin"))
    assert first.status_code == 200
    assert token_in(first.text) == token_in(other.text)


def test_what_pages_load_is_kept_for_ever_under_a_name_of_its_content(served: World):
    text = served.page(QUESTION).text
    names = re.findall(r'(?:href|src)="(/page/[^"]+)"', text)
    assert len(names) == 3
    for name in names:
        reply = served.client.get(name)
        assert reply.status_code == 200
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert Path(name).suffix in (".css", ".js", ".svg")
    for wrong in ("/page/style.css", "/page/style.000000000000.css", "/page/..%2Frender.py"):
        assert served.client.get(wrong).status_code == 404


def test_a_whole_first_visit_is_small(served: World):
    page = served.page(QUESTION, headers={"Accept-Encoding": "gzip"})
    sent = int(page.headers["content-length"])
    for name in re.findall(r'(?:href|src)="(/page/[^"]+)"', page.text):
        sent += int(served.client.get(name, headers={"Accept-Encoding": "gzip"}).headers["content-length"])
    assert sent < 300_000
