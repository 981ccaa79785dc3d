"""The report of a release: everything in one file, nothing to load, nothing that anybody may not see."""

import re
import shutil
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from api.cli import cli
from api.page.asking import ask_release
from api.report import make_report
from api.report.document import SECTIONS
from jobs.errors import PicturesFailed
from polling.store import checks
from polling.store.engine import open_store
from tests.api.test_checks import CONCERN
from tests.api.world import SURVEY, World, change_survey, make_world, wave_csv


@pytest.fixture(scope="module", autouse=True)
def _drawn() -> Iterator[None]:
    """Pictures of a fit, without a process that draws them: the browser's test has real ones."""

    def draw(_services: object, _release: object, name: str) -> str:
        return f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}"></svg>'

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.report.trust.figure_of", draw)
        yield


@pytest.fixture(scope="module")
def weekly(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A release with periods after one without."""
    folder = tmp_path_factory.mktemp("reported")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    with world.client:
        world.release("w-early", wave_csv(200, start=9000))
        world.weekly_release()
        yield world
    store.close()


@pytest.fixture(scope="module")
def report(weekly: World) -> str:
    return make_report(ask_release(weekly.services, SURVEY, "rail", None))


class Outline(HTMLParser):
    """Headings, ids, addresses and tables of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        about = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in about:
            self.ids.append(str(about["id"]))
        self.addresses += [str(about[name]) for name in ("href", "src", "action", "data") if name in about]


def hustings(world: World, *arguments: str, code: int = 0) -> Result:
    place = {
        "HUSTINGS_DATA_DIR": str(world.settings.data_dir),
        "HUSTINGS_SECRETS_FILE": str(world.settings.secrets_file),
        "HUSTINGS_DATABASE_URL": f"sqlite:///{world.store.path}",
    }
    result = CliRunner().invoke(cli, arguments, env=place)
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_every_part_is_there_with_its_table_or_words(report: str):
    for name in ("now", "where", "who", "trend", "seats", "methods", "represented", "diagnostics", "statement"):
        assert f'<h2 id="{name}">{SECTIONS[name]}</h2>' in report
    assert "Should a rail line be built?" in report
    assert "District 5" in report
    assert "2026-W08" in report
    assert "Nobody was interviewed in District 5" in report
    assert "AAPOR 1" in report
    assert report.count("<caption>") > 10
    assert report.count("<figure") >= 7
    assert "Coefficients of predictors" in report
    assert '<img src="data:image/svg+xml;base64,' in report


def test_it_loads_nothing_runs_nothing_and_says_so(report: str):
    outline = Outline(report)

    assert {one.partition(",")[0] for one in outline.addresses if one[0] != "#"} == {"data:image/svg+xml;base64"}
    assert {"script", "link", "iframe", "form"} & set(outline.tags) == set()
    assert "url(http" not in report
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in unescape(report)
    assert "style=" not in report.partition("</style>")[2]


def test_headings_go_down_by_one_and_ids_are_unique(report: str):
    outline = Outline(report)

    assert outline.headings[0] == 1
    assert outline.headings.count(1) == 1
    assert all(later <= before + 1 for before, later in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(set(outline.ids)) == len(outline.ids)
    assert {one[1:] for one in outline.addresses if one[0] == "#"} <= set(outline.ids)


def test_counts_below_the_limit_are_not_in_it(weekly: World, report: str):
    few = [one for one in weekly.estimates(level="district")["estimates"] if one["n_interviews"] is None]

    assert few
    for one in few:
        row = re.search(f'<th scope="row">{one["area_name"]}</th>.*?</tr>', report)
        assert row is not None
        assert re.search('<span class="none">(few|none)</span>', row[0])


def test_the_command_writes_the_file_and_tells_its_size(weekly: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    current = weekly.estimates()["release_id"]

    told = hustings(weekly, "report", "--survey", SURVEY, "--question", "rail").output
    file = tmp_path / f"{SURVEY}-rail-release-2.html"
    assert re.fullmatch(rf"Wrote the report of release 2 to {file.name}: \d+ kB\.\n", told)
    assert file.read_text().startswith("<!DOCTYPE html>")

    named = tmp_path / "sent.html"
    assert "release 2 to" in hustings(weekly, "report", current, "--output", str(named)).output
    assert named.stat().st_size > 50_000


@pytest.mark.parametrize(
    "arguments", [(), ("--survey", SURVEY), ("--question", "rail"), ("some", "--survey", SURVEY, "--question", "rail")]
)
def test_it_has_to_be_said_which_release_is_meant(weekly: World, arguments: tuple[str, ...]):
    assert "Name a RELEASE, or --survey and --question" in hustings(weekly, "report", *arguments, code=2).output


def test_what_does_not_exist_is_refused(weekly: World):
    assert "none" in hustings(weekly, "report", "none", code=2).output
    assert "no survey 'twon'" in hustings(weekly, "report", "--survey", "twon", "--question", "rail", code=2).output
    assert "no release yet" in hustings(weekly, "report", "--survey", SURVEY, "--question", "tax", code=1).output


def test_without_draws_it_says_why_and_what_is_left(world: World, tmp_path: Path):
    release = world.release()
    with world.store.write() as session:
        session.execute(text("DELETE FROM fit_draws"))
    told = hustings(world, "report", release.id, "--output", str(tmp_path / "x.html"), code=1).output

    assert "A report needs draws." in told
    assert f"hustings release disclosure {SURVEY} rail --release {release.id}" in told
    assert not (tmp_path / "x.html").exists()


def test_concerns_and_the_track_record_are_told(world: World):
    release = world.release()
    asking = ask_release(world.services, SURVEY, "rail", None)
    assert "The checks of this release were not made yet." in make_report(asking)
    content = b"geography,option,share\n" + b"".join(b"D%d,yes,0.5%d\n" % (n, n) for n in range(1, 7))
    with world.store.write() as session:
        checks.add_check(session, release, kind="by-hand", content={}, concerns=[CONCERN], now=world.now)
    reply = world.client.post(
        f"/v1/surveys/{SURVEY}/questions/rail/known-results",
        headers=world.bearer("analyst"),
        data={"date": "2026-03-01", "source": "the electoral office"},
        files={"file": ("truth.csv", content)},
    )
    assert reply.status_code == 201
    world.work()
    page = unescape(make_report(ask_release(world.services, SURVEY, "rail", None)))

    assert CONCERN["sentence"] in page
    assert CONCERN["advice"] in page
    assert f'<h2 id="record">{SECTIONS["record"]}</h2>' in page
    row = re.search(
        r'<tr><th scope="row">1</th><td>1 March 2026</td><td>district</td><td>mrp</td><td class="n">6</td>', page
    )
    assert row is not None
    assert "What happened on 2026-03-01 is known" in page
    assert '<th scope="row">district, result of 1 March 2026</th><td class="n">6</td>' in page


def test_pictures_that_cannot_be_made_are_left_out(
    weekly: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object) -> str:
        raise PicturesFailed("the process ended with status 1")

    monkeypatch.setattr("api.report.trust.figure_of", fail)
    page = make_report(ask_release(weekly.services, SURVEY, "rail", None))

    assert "Coefficients of predictors" not in page
    assert f'<h2 id="diagnostics">{SECTIONS["diagnostics"]}</h2>' in page
    assert "a report lacks the pictures of its fit" in caplog.text


def test_a_hostile_label_stays_text(world: World):
    change_survey(world, "survey.toml", 'title = "A town"', 'title = "<script>alert(1)</script>"')
    world.release()
    page = make_report(ask_release(world.services, SURVEY, "rail", None))

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
