"""What is Linux alone says so elsewhere, in words."""

import resource
import sys
from pathlib import Path

import pytest

import api.cli
from api.checkup import _platform
from jobs import fit_process
from jobs.settings import Settings


def test_windows_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as ended:
        api.cli.main()
    assert ended.value.code == 3
    assert "does not run on Windows itself. Run it under WSL 2" in capsys.readouterr().err


def test_the_command_line_can_be_imported_without_posix():
    """Else the sentence above would be a traceback."""
    import subprocess

    code = "import sys; sys.modules.update(fcntl=None, resource=None); import api.cli; print('imported')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n", done.stderr


def test_doctor_says_what_another_system_lacks(monkeypatch: pytest.MonkeyPatch):
    assert _platform(Settings()).ok
    monkeypatch.setattr(sys, "platform", "darwin")
    finding = _platform(Settings(fit_memory_mb=4000))
    assert not finding.ok
    for lack in ("without a limit on memory", "runs to its end", "fit_memory_mb is not kept"):
        assert lack in finding.found


@pytest.mark.parametrize(("platform", "limits"), [("linux", [resource.RLIMIT_AS]), ("darwin", [])])
def test_a_limit_that_a_system_refuses_is_not_asked_for(
    monkeypatch: pytest.MonkeyPatch, platform: str, limits: list[int]
):
    asked: list[int] = []
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(resource, "setrlimit", lambda which, _: asked.append(which))
    monkeypatch.setenv("HUSTINGS_FIT_MEMORY_MB", "4000")
    monkeypatch.delenv("HUSTINGS_FIT_NICE", raising=False)
    fit_process._limit()
    assert asked == limits


def test_the_readme_names_every_use_of_a_single_system():
    """A new look at ``sys.platform`` is a reason to look at the section again."""
    root = Path(__file__).resolve().parents[2]
    using = {
        str(path.relative_to(root))
        for package in ("api", "jobs", "polling", "mrp", "fixtures")
        for path in (root / package).rglob("*.py")
        if "sys.platform" in path.read_text(encoding="utf-8")
    }
    assert using == {
        "api/checkup.py",
        "api/cli/__init__.py",
        "api/cli/parent.py",
        "jobs/fit_process.py",
        "jobs/leisure.py",
        "jobs/settings.py",
        "polling/formats/process.py",
    }
    assert "### Supported platforms" in (root / "README.md").read_text(encoding="utf-8")
