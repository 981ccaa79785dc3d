"""The units that `hustings unit` prints: what they run, what they may write, and whether systemd takes them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from api.cli import cli
from api.systemd_unit import COMMANDS, writable_folders
from jobs.settings import load_settings

HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "PrivateTmp": "yes",
    "CapabilityBoundingSet": "",
    "KillMode": "mixed",
    "Restart": "on-failure",
    "User": "hustings",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a settings file, and no settings in the environment."""
    for name in [name for name in os.environ if name.startswith("HUSTINGS_")]:
        monkeypatch.delenv(name)
    (tmp_path / "hustings.toml").write_text('data_dir = "data"\nbackup_dir = "/var/backups/hustings"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(*options: str) -> Result:
    return CliRunner().invoke(cli, ["unit", *options])


def sections(text: str) -> dict[str, dict[str, list[str]]]:
    """Read a unit: sections of assignments, of which some come more than once; anything else is a fault."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in filter(None, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            section = found.setdefault(line[1:-1], {})
        else:
            name, equals, value = line.partition("=")
            assert equals, line
            assert name.isalpha(), line
            section.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("role", sorted(COMMANDS))
def test_a_unit_runs_its_command_with_absolute_paths_and_few_rights(place: Path, role: str):
    result = printed("--role", role)
    assert result.exit_code == 0, result.output
    unit = sections(result.stdout)

    assert list(unit) == ["Unit", "Service", "Install"]
    service = unit["Service"]
    assert {name: service[name] for name in HARDENED} == {name: [value] for name, value in HARDENED.items()}
    program, option, settings, command = service["ExecStart"][0].split()
    assert os.access(program, os.X_OK)
    assert Path(program).name == "hustings"
    assert (option, settings, command) == ("--settings", str(place / "hustings.toml"), role)
    assert service["WorkingDirectory"] == [str(place)]
    # Data and secrets are inside the working folder.
    assert sorted(service["ReadWritePaths"]) == sorted([str(place), "/var/backups/hustings"])
    assert "MemoryMax" not in service
    assert command in cli.list_commands(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", sorted(COMMANDS))
def test_systemd_takes_it(place: Path, role: str):
    result = printed("--role", role, "--memory-max", "4G")
    unit = place / f"hustings-{role}.service"
    unit.write_text(result.stdout)

    assert sections(result.stdout)["Service"]["MemoryMax"] == ["4G"]
    if shutil.which("systemd-analyze"):  # where it is not, the form that `sections` reads has to do
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_folder_with_odd_characters_stays_one_folder(place: Path, monkeypatch: pytest.MonkeyPatch):
    odd = place / 'with 50% "more" space'
    odd.mkdir()
    (odd / "hustings.toml").write_text("")
    monkeypatch.chdir(odd)
    text = printed().stdout

    escaped = str(odd).replace("%", "%%")
    quoted = '"' + escaped.replace('"', '\\"')
    assert f"\nWorkingDirectory={escaped}\n" in text
    assert f'\nReadWritePaths={quoted}"\n' in text
    assert f'--settings {quoted}/hustings.toml"' in text


def test_everything_that_is_written_to_is_named_once(tmp_path: Path):
    (tmp_path / "hustings.toml").write_text(
        f'data_dir = "{tmp_path}/data"\nsecrets_file = "/etc/hustings/secrets.toml"\nbackup_dir = "{tmp_path}/data/b"\n'
        'cache_dir = "/var/cache/h"\ndatabase_url = "sqlite:////srv/db/hustings.sqlite3"\n'
    )
    settings = load_settings(tmp_path / "hustings.toml", environ={})
    expected = {tmp_path / "data", Path("/etc/hustings"), Path("/srv/db"), Path("/var/cache/h")}
    assert set(writable_folders(settings)) == expected
    assert len(writable_folders(settings)) == len(expected)


def test_settings_of_the_shell_are_named_as_missing(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HUSTINGS_DATABASE_URL", "postgresql://hustings:canary@db/hustings")
    monkeypatch.setenv("HUSTINGS_DATA_DIR", "/elsewhere")
    result = printed()

    assert "# Not in the unit: HUSTINGS_DATABASE_URL, HUSTINGS_DATA_DIR." in result.stderr
    assert "canary" not in result.output
    assert "/elsewhere" not in result.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--user", "root"),
        ("--user", "nobody"),
        ("--user", "a b"),
        ("--user", "x\nExecStartPre=/bin/sh"),
        ("--memory-max", "much"),
    ],
)
def test_what_is_no_user_or_no_size_is_refused(place: Path, options: tuple[str, str]):
    result = printed(*options)
    assert result.exit_code == 2
    assert options[0] in result.stderr
    assert result.stdout == ""
