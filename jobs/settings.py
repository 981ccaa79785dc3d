"""Everything an operator can set, in one table.

A setting comes from, in rising order of precedence: its default, the settings
file (``hustings.toml`` in the working folder, or the file that
``HUSTINGS_SETTINGS`` names), the environment (``HUSTINGS_<NAME>``). Secrets are
not settings: ``secrets_file`` says where they are kept. A name that is no
setting is refused, with the one that was probably meant. A relative path is
relative to the folder of the settings file, or to the working folder if there
is no such file.
"""

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, get_args

from jobs.errors import BadSetting, BadSettings, SettingsError, UnknownSetting
from jobs.networks import networks
from jobs.origins import origins

__all__ = ["SettingRow", "Settings", "load_settings", "settings_file", "settings_table"]

FILE_NAME = "hustings.toml"
PREFIX = "HUSTINGS_"
TIMES_OF_DAY = frozenset({"backup_at", "confirm_at"})
OR_NEVER = frozenset({"backup_at"})
NETWORKS = frozenset({"trusted_proxies", "webhook_networks"})
ORIGINS = frozenset({"cors_origins"})
PROBABILITIES = frozenset({"nuts_target_accept", "nuts_retry_target_accept"})
# Read elsewhere: the place of the settings file itself, and the folder of the public cases in tests.
NOT_SETTINGS = frozenset({"HUSTINGS_SETTINGS", "HUSTINGS_CASES"})


@dataclass(frozen=True, slots=True)
class About:
    """What the table of settings says about one of them."""

    meaning: str
    least: float | None = None
    choices: tuple[str, ...] = ()


def _user_cache() -> Path:
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "hustings"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "hustings"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local"))) / "hustings"
    return Path.home() / ".cache" / "hustings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; ``settings_table()`` gives names, types, defaults and meanings."""

    data_dir: Annotated[Path, About("Folder of the database file and the spool of running fits.")] = Path(
        "hustings-data"
    )
    database_url: Annotated[
        str, About("SQLAlchemy URL of the database. Empty: SQLite in data_dir/hustings.sqlite3.")
    ] = ""
    statement_timeout_s: Annotated[
        float,
        About(
            "A statement that PostgreSQL works on for longer is ended, and a transaction that waits as long for its "
            "process; erasures and upgrades take their time. 0 is without a limit.",
            least=0,
        ),
    ] = 120.0
    secrets_file: Annotated[
        Path,
        About("File of pepper and pseudonym keys, made with mode 0600 when first needed. Keep it out of backups."),
    ] = Path("hustings-secrets.toml")
    cache_dir: Annotated[
        Path | None,
        About("Folder of compiled model kernels, reused between fits. Empty: hustings in the user's cache folder."),
    ] = None
    backup_dir: Annotated[Path, About("Folder of backups. Keep the secrets file elsewhere.")] = Path("hustings-backups")
    backup_at: Annotated[
        str, About("Time of day, UTC, at which a worker makes a backup, as HH:MM. Empty: only by hand.")
    ] = "03:30"
    backup_keep_days: Annotated[
        int, About("Days until a backup is deleted, and with it the last trace of who was erased since.", least=1)
    ] = 30
    erasure_days: Annotated[
        int,
        About("Days until draws in which somebody was erased are deleted, even if no refit took their place.", least=1),
    ] = 14
    draws_days: Annotated[
        int, About("Days for which the draws of every release are kept after it was last served ...", least=1)
    ] = 7
    draws_daily_days: Annotated[
        int,
        About(
            "... and those of what was served at the end of each day. What is served, and what is pinned, stays.",
            least=1,
        ),
    ] = 90
    host: Annotated[str, About("Address that the web server listens on.")] = "127.0.0.1"
    port: Annotated[int, About("Port that the web server listens on; 0 takes a free one.", least=0)] = 8000
    trusted_proxies: Annotated[
        str,
        About(
            "Addresses or networks of reverse proxies, with commas between: what they say in X-Forwarded-For and "
            "X-Forwarded-Proto is believed. Empty: nobody is."
        ),
    ] = ""
    cors_origins: Annotated[
        str,
        About(
            "Web origins, such as https://example.org, with commas between, whose pages may call the service; * is "
            "any. Empty: none."
        ),
    ] = ""
    log_format: Annotated[
        str, About("How the log is written: text for people, json for programs.", choices=("text", "json"))
    ] = "text"
    key_rate: Annotated[
        float,
        About("Requests a second that a key may make, and an address without one; 0 is without a limit.", least=0),
    ] = 200.0
    key_burst: Annotated[
        int, About("Requests that it may make at once after a pause; by each server process.", least=1)
    ] = 1000
    max_upload_mb: Annotated[int, About("Largest wave file that is accepted, in MB.", least=1)] = 64
    max_inflated_mb: Annotated[
        int, About("What a compressed wave file, or a workbook, may become when it is unpacked, in MB.", least=1)
    ] = 256
    min_people: Annotated[
        int, About("People a group must have in the frame before its estimate is given.", least=1)
    ] = 100
    min_interviews: Annotated[
        int, About("Interviews a group must have before an interview count or a raw figure is given.", least=1)
    ] = 30
    max_groups: Annotated[int, About("Groups that one answer may have; a finer breakdown is refused.", least=1)] = (
        20_000
    )
    release_cache: Annotated[int, About("Releases whose draws the web server keeps in memory.", least=1)] = 8
    memory_s: Annotated[
        float,
        About("While the database is away, reads are answered from memory for this many seconds, then 503.", least=0),
    ] = 900.0
    max_streams: Annotated[int, About("Streams of events that one web server has open at a time.", least=1)] = 1000
    streams_per_key: Annotated[int, About("Streams of events that one key has open at a time.", least=1)] = 100
    refit_quiet_s: Annotated[
        float, About("A refit waits until no wave has arrived for this many seconds ...", least=0)
    ] = 2.0
    refit_patience_s: Annotated[
        float, About("... but never keeps the first wave waiting longer than this.", least=0)
    ] = 30.0
    engine: Annotated[
        str,
        About("How a model is fitted: laplace in seconds, nuts as the reference.", choices=("laplace", "nuts")),
    ] = "laplace"
    laplace_points: Annotated[int, About("Sets of standard deviations that a Laplace fit keeps.", least=50)] = 400
    laplace_draws: Annotated[int, About("Draws that a Laplace fit spreads over them.", least=100)] = 2000
    nuts_chains: Annotated[int, About("Chains of a NUTS fit; the verdict needs two or more.", least=1)] = 4
    nuts_tune: Annotated[int, About("Tuning steps per chain, thrown away.", least=10)] = 500
    nuts_draws: Annotated[int, About("Draws kept per chain; the retry keeps twice as many.", least=10)] = 1000
    nuts_target_accept: Annotated[float, About("Target acceptance of NUTS, in (0, 1).", least=0)] = 0.95
    nuts_retry_target_accept: Annotated[
        float, About("Target acceptance of the one retry after divergences or few effective draws.", least=0)
    ] = 0.99
    confirm_at: Annotated[
        str, About("Time of day, UTC, at which NUTS begins to confirm the releases that are served, as HH:MM.")
    ] = "02:00"
    confirm_budget_s: Annotated[
        float, About("Seconds a night in which confirmations are begun, one after the other; 0 is never.", least=0)
    ] = 14_400.0
    confirm_draws: Annotated[
        int, About("Draws kept per chain of a confirmation; twice as many when the last one settled nothing.", least=10)
    ] = 2000
    check_budget_s: Annotated[
        float,
        About(
            "Seconds of fits in which a check of a release leaves out pollsters and parts of the country; 0 is none.",
            least=0,
        ),
    ] = 60.0
    fit_cores: Annotated[
        int, About("Chains that one fit runs, and questions of a survey that are fitted, at the same time.", least=1)
    ] = 2
    fit_nice: Annotated[int, About("Niceness of a fit process, so that answers come before fits.", least=0)] = 10
    fit_memory_mb: Annotated[
        int, About("Address space allowed to a fit process, in MB; 0 is without a limit.", least=0)
    ] = 0
    fit_timeout_s: Annotated[float, About("A fit that takes longer is ended.", least=1)] = 3600.0
    worker_poll_s: Annotated[float, About("Pause between two looks at an empty queue.", least=0.01)] = 0.15
    lease_s: Annotated[
        float, About("A job whose worker has been silent for this long is taken over by another worker.", least=1)
    ] = 15.0
    heartbeat_s: Annotated[float, About("Pause between two signs of life of a running job.", least=0.05)] = 1.0
    max_attempts: Annotated[int, About("Attempts at a job before it is given up as crashed.", least=1)] = 3
    retry_backoff_s: Annotated[
        float, About("Pause before the second attempt; doubled for each further one.", least=0)
    ] = 5.0
    sweep_s: Annotated[
        float, About("Pause between two searches for questions whose release lacks a wave and has no refit.", least=1)
    ] = 3600.0
    stale_alarm_s: Annotated[
        float, About("A question that has been stale for so many seconds is an alarm, once.", least=1)
    ] = 3600.0
    job_keep_days: Annotated[
        int, About("Days until a job that has ended is forgotten; the last one of each work is not.", least=1)
    ] = 90
    event_days: Annotated[
        int, About("Days until events are forgotten; who follows them may be away for so long.", least=1)
    ] = 30

    source_networks: Annotated[
        str,
        About(
            "Where https and s3 sources may be: at public addresses, or anywhere, this machine included.",
            choices=("public", "any"),
        ),
    ] = "public"
    source_timeout_s: Annotated[float, About("A source that takes longer to answer is tried again later.", least=1)] = (
        60.0
    )
    webhook_networks: Annotated[
        str,
        About(
            "Addresses or networks, with commas between, that webhooks may be sent to besides public ones. Empty: none."
        ),
    ] = ""
    source_settle_s: Annotated[
        float, About("A file of a folder is read when it has not changed for this many seconds.", least=0)
    ] = 20.0

    def __post_init__(self) -> None:
        for one in fields(self):
            _require_in_range(one.name, getattr(self, one.name), source="settings")
        if self.lease_s < 3 * self.heartbeat_s:
            expected = f"3 heartbeats ({3 * self.heartbeat_s:g} s) or more"
            raise BadSetting("lease_s", self.lease_s, source="settings", expected=expected)

    @property
    def store_url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'hustings.sqlite3'}"

    @property
    def kernel_cache(self) -> Path:
        """The folder of compiled kernels in force."""
        return self.cache_dir or _user_cache()

    @property
    def spool_dir(self) -> Path:
        """The folder in which fit requests and results cross to the fit process and back."""
        return self.data_dir / "spool"

    @property
    def quiet(self) -> timedelta:
        """``refit_quiet_s`` as a duration."""
        return timedelta(seconds=self.refit_quiet_s)

    @property
    def patience(self) -> timedelta:
        """``refit_patience_s`` as a duration."""
        return timedelta(seconds=self.refit_patience_s)

    @property
    def lease(self) -> timedelta:
        """``lease_s`` as a duration."""
        return timedelta(seconds=self.lease_s)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One line of the table of settings."""

    name: str
    type: str
    default: str
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()


def settings_table() -> tuple[SettingRow, ...]:
    """Every setting with type, default and meaning, in the order of the documentation."""
    rows = []
    for one in fields(Settings):
        about = _about(one.name)
        meaning = f"{about.meaning} One of: {', '.join(about.choices)}." if about.choices else about.meaning
        default = "" if one.default is None else str(one.default)
        rows.append(SettingRow(one.name, _kind(one.name), default, meaning))
    return tuple(rows)


def settings_file(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Path | None:
    """The settings file in force, which may not exist if it was named; None if there is none. As ``load_settings``."""
    environ = os.environ if environ is None else environ
    named = path or (Path(environ["HUSTINGS_SETTINGS"]) if environ.get("HUSTINGS_SETTINGS") else None)
    return named or (Path(FILE_NAME) if Path(FILE_NAME).is_file() else None)


def load_settings(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file, then the environment over it.

    Parameters
    ----------
    path
        Settings file. Default: what ``HUSTINGS_SETTINGS`` names, else
        ``hustings.toml`` in the working folder if there is one.
    environ
        The environment; default ``os.environ``.

    Raises
    ------
    UnknownSetting
        If the file or a ``HUSTINGS_`` variable names no setting.
    BadSetting
        If a value has the wrong type or is out of range.
    BadSettings
        If there is more than one such fault; it tells all of them.
    SettingsError
        If a file that was named does not exist or is not TOML.
    """
    environ = os.environ if environ is None else environ
    file = settings_file(path, environ=environ)
    given: list[tuple[str, object, str]] = []
    if file is not None:
        given += [(name, value, str(file)) for name, value in _read_toml(file).items()]
    base = file.absolute().parent if file is not None else Path.cwd()
    for variable, text in environ.items():
        if variable.startswith(PREFIX) and variable not in NOT_SETTINGS:
            given.append((variable.removeprefix(PREFIX).lower(), text, f"environment variable {variable}"))
    values: dict[str, Any] = {}
    refused: list[UnknownSetting | BadSetting] = []
    for name, value, source in given:
        try:
            _require_known(name, source=source)
            values[name] = _typed(name, value, source=source)
            _require_in_range(name, values[name], source=source)
        except (UnknownSetting, BadSetting) as error:
            refused.append(error)
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise BadSettings(refused)
    settings = {one.name: values.get(one.name, one.default) for one in fields(Settings)}
    for name, value in settings.items():
        if isinstance(value, Path):
            settings[name] = base / value.expanduser()
    return Settings(**settings)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings file {file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {file} is not TOML: {error}.") from None


def _require_known(name: str, *, source: str) -> None:
    names = [one.name for one in fields(Settings)]
    if name not in names:
        nearest = difflib.get_close_matches(name, names, n=1)
        raise UnknownSetting(name, source=source, nearest=nearest[0] if nearest else None)


def _require_in_range(name: str, value: Any, *, source: str) -> None:
    about = _about(name)
    if about.choices and value not in about.choices:
        raise BadSetting(name, value, source=source, expected=f"one of {', '.join(about.choices)}")
    # `not (x >= limit)` rather than `x < limit`: NaN has to fail.
    if about.least is not None and not value >= about.least:
        raise BadSetting(name, value, source=source, expected=f"{about.least:g} or more")
    if name in PROBABILITIES and not 0 < value < 1:
        raise BadSetting(name, value, source=source, expected="between 0 and 1")
    never = name in OR_NEVER and not value
    if name in TIMES_OF_DAY and not never and not re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", value):
        raise BadSetting(name, value, source=source, expected="a time of day, 00:00 to 23:59")
    if name in ORIGINS:
        try:
            origins(value)
        except ValueError as error:
            expected = f"origins such as https://example.org, without a path, or * alone: {error}"
            raise BadSetting(name, value, source=source, expected=expected) from None
    if name in NETWORKS:
        try:
            networks(value)
        except ValueError as error:
            expected = f"addresses or networks such as 127.0.0.1, 10.0.0.0/8, fd00::/8: {error}"
            raise BadSetting(name, value, source=source, expected=expected) from None


def _about(name: str) -> About:
    about: About = get_args(Settings.__annotations__[name])[1]
    return about


def _kind(name: str) -> str:
    kind = get_args(Settings.__annotations__[name])[0]
    return "path" if kind in (Path, Path | None) else {str: "text", int: "integer", float: "number"}[kind]


def _typed(name: str, value: object, *, source: str) -> Any:
    kind = _kind(name)
    expected = f"{'an' if kind == 'integer' else 'a'} {kind}"
    # A TOML boolean is an int to Python; it is no number to an operator.
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadSetting(name, value, source=source, expected=expected)
    try:
        if kind == "integer" and not isinstance(value, float):
            return int(value)
        if kind == "number":
            return float(value)
    except ValueError:
        raise BadSetting(name, value, source=source, expected=expected) from None
    if kind == "text" and isinstance(value, str):
        return value
    if kind == "path" and isinstance(value, str) and value:
        return Path(value)
    raise BadSetting(name, value, source=source, expected=expected)
