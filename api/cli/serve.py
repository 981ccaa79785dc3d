"""``hustings serve``: the HTTP interface with a worker beside it; ``hustings api``: without one."""

import sys
from collections.abc import Callable

import click

from api.cli.refusals import SERVICE, Refusal
from api.cli.runtime import Runtime

__all__ = ["api", "serve"]


def _server_options[C: Callable[..., None]](command: C) -> C:
    options = (
        click.option("--host", help="Address to listen on. Default: the setting host."),
        click.option(
            "--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one. Default: the setting port."
        ),
        click.option("--quiet", is_flag=True, help="No access log."),
        click.option("--with-parent", is_flag=True, help="End when the process that started this one ends."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(short_help="Serve the HTTP interface, with a worker beside it.")
@_server_options
@click.option("--worker/--no-worker", default=True, show_default=True, help="Run a worker process too.")
@click.pass_obj
def serve(
    runtime: Runtime, *, host: str | None, port: int | None, worker: bool, quiet: bool, with_parent: bool
) -> None:
    """Serve the HTTP interface and, unless told otherwise, run a worker.

    The data folder, the secrets file and the schema of a brand-new database are made on first start.
    The address is printed once the first request was answered. SIGTERM or Ctrl-C ends both within five
    seconds; a worker that dies is started again.
    """
    _run(runtime, host=host, port=port, worker=worker, quiet=quiet, with_parent=with_parent)


@click.command(short_help="Serve the HTTP interface, without a worker.")
@_server_options
@click.pass_obj
def api(runtime: Runtime, *, host: str | None, port: int | None, quiet: bool, with_parent: bool) -> None:
    """Serve the HTTP interface alone; workers run as `hustings worker`, here or on other machines.

    Otherwise as `hustings serve`. Without a worker somewhere waves are received and never fitted.
    """
    _run(runtime, host=host, port=port, worker=False, quiet=quiet, with_parent=with_parent)


def _run(runtime: Runtime, *, host: str | None, port: int | None, worker: bool, quiet: bool, with_parent: bool) -> None:
    from jobs.logs import configure_logging

    settings = runtime.settings
    configure_logging(settings.log_format, access=not quiet)
    if with_parent:
        from api.cli.parent import end_with_parent

        end_with_parent()
    from api.server import end_now, free_address
    from api.server import serve as run

    try:
        host, port = free_address(host or settings.host, settings.port if port is None else port)
    except OSError as error:
        place = f"{host or settings.host}:{settings.port if port is None else port}"
        raise Refusal(
            f"Cannot listen on {place}: {error.strerror or error}. Choose another with --port.", SERVICE
        ) from None
    from api.app import create_app
    from api.keys import key_pepper
    from jobs.at_work import at_work

    key_pepper(runtime.store, runtime.secrets)  # made now, or refused now, rather than at the first request
    runtime.store.close()  # the schema is there; the application opens its own connections

    app = create_app(settings)
    command = worker_command(runtime) if worker else None
    with at_work(settings):
        status = run(app, host=host, port=port, worker=command, on_ready=_announce, on_stopping=app.on_stopping)
    end_now(status)


def worker_command(runtime: Runtime) -> list[str]:
    """The command line of a worker with the same settings file, which ends with this process."""
    settings = ["--settings", str(runtime.settings_file)] if runtime.settings_file else []
    return [sys.executable, "-m", "api.cli", *settings, "worker", "--with-parent"]


def _announce(address: str) -> None:
    click.echo(f"hustings is serving at {address} (documentation: {address}/docs)")
    sys.stdout.flush()
