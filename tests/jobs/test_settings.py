"""Settings: one table, a file, the environment over it."""

from dataclasses import fields
from pathlib import Path

import pytest

from jobs.errors import BadSetting, BadSettings, SettingsError, UnknownSetting
from jobs.settings import Settings, load_settings, settings_table


def write(folder: Path, text: str) -> Path:
    file = folder / "hustings.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_setting_has_a_row_with_type_and_meaning():
    rows = {row.name: row for row in settings_table()}

    assert list(rows) == [one.name for one in fields(Settings)]
    assert all(row.meaning.endswith(".") for row in rows.values())
    assert rows["port"].type == "integer"
    assert rows["port"].variable == "HUSTINGS_PORT"


def test_a_setting_in_the_file_replaces_the_default(tmp_path):
    settings = load_settings(write(tmp_path, "port = 8123\nrefit_quiet_s = 5\n"), environ={})

    assert settings.port == 8123
    assert settings.refit_quiet_s == 5.0


def test_the_environment_wins_over_the_file(tmp_path):
    settings = load_settings(write(tmp_path, "port = 8123\n"), environ={"HUSTINGS_PORT": "9000"})

    assert settings.port == 9000


def test_the_environment_names_the_file(tmp_path):
    file = write(tmp_path, "port = 8123\n")

    assert load_settings(environ={"HUSTINGS_SETTINGS": str(file)}).port == 8123


def test_the_file_in_the_working_folder_is_found(tmp_path, monkeypatch):
    write(tmp_path, "port = 8123\n")
    monkeypatch.chdir(tmp_path)

    assert load_settings(environ={}).port == 8123


def test_relative_paths_start_at_the_settings_file(tmp_path):
    settings = load_settings(write(tmp_path, 'data_dir = "polls"\n'), environ={})

    assert settings.data_dir == tmp_path / "polls"
    assert settings.store_url == f"sqlite:///{tmp_path}/polls/hustings.sqlite3"
    assert settings.secrets_file == tmp_path / "hustings-secrets.toml"


def test_without_a_file_relative_paths_start_at_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert load_settings(environ={}).data_dir == tmp_path / "hustings-data"


def test_secrets_are_outside_the_data_folder_by_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environ={})

    assert not settings.secrets_file.is_relative_to(settings.data_dir)


@pytest.mark.parametrize("environ", [{}, {"HUSTINGS_REFIT_QUITE_S": "3"}])
def test_an_unknown_name_is_refused_with_the_nearest_one(tmp_path, environ):
    file = write(tmp_path, "" if environ else "refit_quite_s = 3\n")

    with pytest.raises(UnknownSetting, match=r"refit_quite_s.*Did you mean refit_quiet_s") as refused:
        load_settings(file, environ=environ)
    assert refused.value.nearest == "refit_quiet_s"


def test_other_variables_of_the_environment_are_nobodys_business(tmp_path):
    assert load_settings(write(tmp_path, ""), environ={"HOME": "/", "HUSTINGS_CASES": "/data"}).port == 8000


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('port = "many"', "an integer"),
        ("port = 80.5", "an integer"),
        ("port = true", "an integer"),
        ("port = -1", "0 or more"),
        ("refit_quiet_s = nan", "0 or more"),
        ("data_dir = 3", "a path"),
        ('data_dir = ""', "a path"),
        ("host = 1", "a text"),
        ('engine = "magic"', "one of laplace, nuts"),
        ("nuts_target_accept = 1.0", "between 0 and 1"),
        ("lease_s = 2\nheartbeat_s = 1", "3 heartbeats"),
    ],
)
def test_a_bad_value_is_refused_with_what_was_expected(tmp_path, line, expected):
    with pytest.raises(BadSetting, match=expected):
        load_settings(write(tmp_path, line), environ={})


def test_every_bad_setting_of_file_and_environment_is_told_at_once(tmp_path):
    file = write(tmp_path, 'prot = 1\nport = "many"\nmin_people = 0\nhost = "::1"\n')

    with pytest.raises(BadSettings) as refused:
        load_settings(file, environ={"HUSTINGS_ENGINE": "magic"})

    assert [type(one) for one in refused.value.errors] == [UnknownSetting, BadSetting, BadSetting, BadSetting]
    for said in ("4 settings", "Did you mean port?", "port is 'many'", "1 or more", "variable HUSTINGS_ENGINE: engine"):
        assert said in str(refused.value)


def test_a_named_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "nowhere.toml", environ={})


def test_a_file_that_is_not_toml_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="is not TOML"):
        load_settings(write(tmp_path, "port 8123"), environ={})


def test_kernels_are_cached_where_the_settings_say(tmp_path):
    assert load_settings(write(tmp_path, 'cache_dir = "kernels"\n'), environ={}).kernel_cache == tmp_path / "kernels"
    assert load_settings(write(tmp_path, ""), environ={}).kernel_cache.name == "hustings"
