"""``hustings demo``: the main job from wave to estimate, on an invented electorate."""

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from api.cli.refusals import NO, SERVICE, Refusal

__all__ = ["demo"]

MARK = "hustings-demo"
"""A file that says: this folder was made by the demo and may be emptied by it."""
LOCATIONS = ("SETTINGS", "DATABASE_URL", "DATA_DIR", "SECRETS_FILE", "HOST", "PORT")
"""Settings that the demo chooses itself, so that it cannot touch a real installation."""


@click.command(short_help="Run the demo survey from wave to estimate, then keep serving it.")
@click.option("--exit", "exit_", is_flag=True, help="Stop after printing; exit code 0 only if every step happened.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port. Default: a free one.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the demo's data, emptied first and kept afterwards. Default: a temporary one.",
)
def demo(exit_: bool, port: int, data_dir: Path | None) -> None:
    """Write the demo survey, start server and worker, push three waves, print the estimates they bring.

    Afterwards the server keeps running until Ctrl-C, with the commands to push another wave. Exit code 1 if
    a step did not happen.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    with _folder(data_dir) as place, contextlib.suppress(KeyboardInterrupt):
        run(place, port=port, keep_serving=not exit_)


@dataclass(frozen=True, slots=True)
class Prepared:
    """The demo's folder, ready to be served."""

    settings_file: Path
    survey: str
    waves: Sequence[Any]
    """The waves that the demo pushes."""
    extra: Any
    """One more, for the reader to push."""
    pollsters: Mapping[str, str]
    reader: str
    analyst: str
    admin: str


def run(place: Path, *, port: int, keep_serving: bool) -> None:
    """Do every step in ``place``; return when told to stop."""
    from api.cli.demo_report import Steps, print_next_steps, print_result
    from jobs.demo import DemoKeys, run_demo
    from jobs.errors import DemoFailed

    steps = Steps()
    prepared = _prepare(place, steps)
    with _server(prepared.settings_file, place, port) as address:
        _write_variables(place / "env", address, prepared)
        steps(f"serving at {address}", None)
        try:
            result = run_demo(
                address,
                DemoKeys(pollsters=prepared.pollsters, reader=prepared.reader),
                survey=prepared.survey,
                waves=prepared.waves,
                report=steps,
            )
        except DemoFailed as error:
            steps.close()
            raise Refusal(f"{error}\n{_tail(place / 'serve.log')}".rstrip(), NO) from None
        steps.close()
        print_result(result)
        if keep_serving:
            print_next_steps(address, prepared)
            sys.stdout.flush()
            signal.pause()


def _prepare(place: Path, steps: Any) -> Prepared:
    from api.keys import create_key
    from api.prepare import open_ready_store
    from fixtures.demo import write_demo
    from fixtures.survey_folder import BOUNDARIES
    from jobs.boundary_acts import store_boundaries
    from jobs.ledger import cli_actor
    from jobs.settings import load_settings
    from jobs.survey import add_survey, load_survey
    from polling.secrets import SecretsFile

    written = write_demo(place / "survey", n_waves=4)
    steps(f"wrote the demo survey to {written.path}", None)
    file = place / "hustings.toml"
    file.write_text(f'data_dir = "{place / "data"}"\nsecrets_file = "{place / "secrets.toml"}"\n', encoding="utf-8")
    settings = load_settings(file, environ=_environment())
    store, secrets = open_ready_store(settings), SecretsFile(settings.secrets_file)
    try:
        from api.services import utc_now

        bundle = load_survey(written.path)
        version = add_survey(store, secrets, bundle, actor=cli_actor(), now=utc_now())
        store_boundaries(
            store,
            secrets,
            survey_id=version.survey_id,
            content=(written.path / BOUNDARIES).read_bytes(),
            code_property=None,
            projection=None,
            now=utc_now(),
            actor=cli_actor(),
        )
        *waves, extra = written.waves
        keys = {
            name: create_key(
                store,
                secrets,
                role=role,
                survey_id=version.survey_id,
                pollster=name if role == "pollster" else None,
                label="demo",
                actor=cli_actor(),
                now=utc_now(),
            )[0]
            for name, role in [
                *((name, "pollster") for name in sorted({wave.pollster for wave in written.waves})),
                ("the reader", "reader"),
                ("the analyst", "analyst"),
                ("the admin", "admin"),
            ]
        }
    finally:
        store.close()
    cells = f"{bundle.districts.height} districts, {bundle.frame.height:,} cells"
    steps(f"added survey {version.survey_id}, version {version.version}: {cells}", None)
    return Prepared(
        settings_file=file,
        survey=version.survey_id,
        waves=waves,
        extra=extra,
        pollsters={wave.pollster: keys[wave.pollster] for wave in written.waves},
        reader=keys["the reader"],
        analyst=keys["the analyst"],
        admin=keys["the admin"],
    )


def _write_variables(file: Path, address: str, prepared: Prepared) -> None:
    """What a shell needs to talk to the demo: address, keys, and the wave that nobody has pushed yet."""
    extra = prepared.extra
    variables = {
        "URL": address,
        "POLLSTER_KEY": prepared.pollsters[extra.pollster],
        "READER_KEY": prepared.reader,
        "ANALYST_KEY": prepared.analyst,
        "ADMIN_KEY": prepared.admin,
        "WAVE": extra.path,
        "WAVE_REFERENCE": extra.reference,
        "WAVE_START": extra.fieldwork_start,
        "WAVE_END": extra.fieldwork_end,
    }
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={shlex.quote(str(value))}\n" for name, value in variables.items()))


@contextlib.contextmanager
def _server(settings_file: Path, place: Path, port: int) -> Iterator[str]:
    command = [sys.executable, "-m", "api.cli", "--settings", str(settings_file)]
    command += ["serve", "--host", "127.0.0.1", "--port", str(port), "--quiet", "--with-parent"]
    log = place / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment())
    try:
        assert process.stdout is not None
        first = process.stdout.readline()  # the address, or nothing if it ended
        if "serving at " not in first:
            raise Refusal(f"The server did not start.\n{_tail(log)}".rstrip(), SERVICE)
        yield first.split("serving at ")[1].split()[0]
    finally:
        process.terminate()
        try:
            process.wait(timeout=6)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is None:
        with tempfile.TemporaryDirectory(prefix="hustings-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    place = data_dir.absolute()
    if place.exists() and any(place.iterdir()) and not (place / MARK).exists():
        raise Refusal(f"{place} is not empty and was not made by the demo. Name another folder.", 2)
    place.mkdir(parents=True, mode=0o700, exist_ok=True)
    with (place / MARK).open("a") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refusal(f"A demo is running in {place}. End it first, or name another folder.", 2) from None
        for old in place.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
            elif old.name != MARK:
                old.unlink()
        yield place


def _environment() -> dict[str, str]:
    own = {f"HUSTINGS_{name}" for name in LOCATIONS}
    return {name: value for name, value in os.environ.items() if name not in own}


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
