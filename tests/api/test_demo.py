"""The demo command: its folder, its environment, what it prints. `make demo` runs the whole of it."""

import re
import subprocess
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.cli.demo import Prepared, _environment, _folder, _prepare, _write_variables
from api.cli.demo_report import Steps, print_next_steps, print_result
from api.cli.refusals import Refusal
from jobs.demo import DemoResult, Revision, Topline
from jobs.settings import load_settings
from polling.store.boundaries import get_boundaries
from polling.store.engine import open_store
from polling.store.keys import list_keys


def topline(number: int, share: float) -> Topline:
    return Topline(
        question="rail", text="Build it?", option="yes", share=share, low=share - 0.02, high=share + 0.02,
        release_number=number, release_id=f"r{number}", data_through="2026-02-25",
    )  # fmt: skip


def test_the_result_shows_toplines_districts_and_the_revision(capsys: pytest.CaptureFixture[str]):
    row = {
        "area": "D01", "area_name": "Ashby", "share": 0.512, "low": 0.45, "high": 0.57, "n_people": 1234.0,
        "n_interviews": None, "flags": ["no-interviews"],
    }  # fmt: skip
    result = DemoResult(
        survey="demo",
        first=(topline(1, 0.5),),
        toplines=(topline(2, 0.53),),
        districts=(row,),
        revisions=(Revision("rail", 1, 2, "data", 0.03, (("Ashby", 0.05),)),),
        interval=0.9,
        seconds=12.0,
    )

    print_result(result)

    printed = capsys.readouterr().out
    assert re.search(r"Build it\?\s+yes\s+53.0%\s+51.0%\s+55.0%\s+2", printed)
    assert re.search(r"D01\s+Ashby\s+51.2%\s+45.0%\s+57.0%\s+1,234\s+no-interviews", printed)
    assert "Revision of rail from release 1 to 2 (cause: data): national +3.0" in printed
    assert "Every step happened" in printed


def test_the_next_steps_can_be_copied(capsys: pytest.CaptureFixture[str]):
    extra = SimpleNamespace(
        path=Path("/tmp/a b/04.csv"), reference="wave-4", pollster="Alpha",
        fieldwork_start=date(2026, 2, 20), fieldwork_end=date(2026, 2, 25),
    )  # fmt: skip
    prepared = Prepared(Path("/x/hustings.toml"), "demo", (), extra, {"Alpha": "hust_p"}, "hust_r", "hust_a", "hust_d")

    print_next_steps("http://127.0.0.1:9", prepared)

    printed = capsys.readouterr().out
    assert "-F file=@'/tmp/a b/04.csv' http://127.0.0.1:9/v1/surveys/demo/waves" in printed
    assert "curl -H 'Authorization: Bearer hust_r' 'http://127.0.0.1:9/v1/surveys/demo/questions/rail/" in printed
    assert "hustings --settings /x/hustings.toml diagnostics demo rail" in printed


def test_waiting_is_not_printed_line_by_line(capsys: pytest.CaptureFixture[str]):
    steps = Steps()
    for share in (0.1, 0.2, 0.3):
        steps("refit of rail: sampling", share)
    steps("refit of rail: collect", 1.0)
    steps("refit of rail: collect", 1.0)
    steps("refit of rail: published", 1.0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("] ")[1] for line in lines] == [
        "refit of rail: sampling",
        "refit of rail: collect",
        "refit of rail: published",
    ]


def test_a_folder_with_other_things_is_not_emptied(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(Refusal, match="was not made by the demo"), _folder(tmp_path):
        pass
    assert (tmp_path / "thesis.tex").exists()


def test_a_folder_of_an_earlier_demo_is_emptied_and_kept(tmp_path: Path):
    chosen = tmp_path / "demo"
    for _ in range(2):
        with _folder(chosen) as place:
            assert not (place / "left").exists()
            (place / "left").touch()
    assert (chosen / "left").exists()


def test_a_folder_in_use_is_left_alone(tmp_path: Path):
    with _folder(tmp_path / "demo") as place:
        (place / "in-use").touch()
        with pytest.raises(Refusal, match="A demo is running"), _folder(tmp_path / "demo"):
            pass
        assert (place / "in-use").exists()


def test_a_shell_gets_address_keys_and_the_next_wave(tmp_path: Path):
    path = tmp_path / "a b.csv"
    extra = SimpleNamespace(
        path=path, reference="wave-4", pollster="Alpha", fieldwork_start=date(2026, 2, 20), fieldwork_end=None
    )
    prepared = Prepared(Path("/x"), "demo", (), extra, {"Alpha": "hust_p"}, "hust_r", "hust_a", "hust_d")

    _write_variables(tmp_path / "env", "http://127.0.0.1:9", prepared)

    code = '. "$0"; echo "$URL $POLLSTER_KEY $READER_KEY $ANALYST_KEY $ADMIN_KEY $WAVE_REFERENCE $WAVE_START $WAVE"'
    said = subprocess.run(["sh", "-c", code, tmp_path / "env"], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"http://127.0.0.1:9 hust_p hust_r hust_a hust_d wave-4 2026-02-20 {path}"
    assert (tmp_path / "env").stat().st_mode & 0o077 == 0


def test_a_temporary_folder_is_removed():
    with _folder(None) as place:
        assert place.is_dir()
    assert not place.exists()


def test_the_demo_cannot_touch_a_real_installation(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HUSTINGS_DATABASE_URL", "postgresql://real")
    monkeypatch.setenv("HUSTINGS_NUTS_DRAWS", "500")
    environment = _environment()
    assert "HUSTINGS_DATABASE_URL" not in environment
    assert environment["HUSTINGS_NUTS_DRAWS"] == "500"


def test_everything_is_prepared_in_its_own_folder(tmp_path: Path):
    said: list[str] = []

    prepared = _prepare(tmp_path, lambda text, _: said.append(text))

    settings = load_settings(prepared.settings_file, environ={})
    assert settings.data_dir == tmp_path / "data"
    store = open_store(settings.store_url)
    with store.read() as session:
        keys = list_keys(session, "demo")
        shapes = get_boundaries(session, "demo")
    store.close()
    assert (shapes.n_districts, shapes.without_shape) == (50, ())  # the page has a map to show
    roles = sorted(key.role for key in keys)
    assert roles == ["admin", "analyst", "pollster", "pollster", "pollster", "reader"]
    assert len(prepared.waves) == 3
    assert prepared.extra.path.exists()
    assert "50 districts" in said[-1]
