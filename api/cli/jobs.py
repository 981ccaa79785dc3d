"""``hustings jobs``: look at the queue."""

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["jobs"]


@click.group(short_help="List, show or cancel jobs.")
def jobs() -> None:
    """Jobs are the refits that waves ask for."""


@jobs.command("list")
@click.option("--survey", "survey_id", help="Only this survey's.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["queued", "running", "succeeded", "failed"]),
    help="Only jobs in this state; may be repeated.",
)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@as_json
@click.pass_obj
def list_(runtime: Runtime, survey_id: str | None, states: tuple[str, ...], limit: int, json_: bool) -> None:
    """List jobs, newest first."""
    from polling.store import queue

    with runtime.store.read() as session:
        found = queue.list_jobs(session, survey_id=survey_id, states=states or None, limit=limit)
    if json_:
        print_json({"jobs": found})
        return
    print_table(
        ("job", "what", "state", "code", "asked (UTC)", "detail"),
        [(one.id, f"{one.kind} {one.key}", one.state, one.code, one.first_asked_at, one.detail) for one in found],
    )


@jobs.command()
@click.argument("job_id", metavar="JOB")
@as_json
@click.pass_obj
def show(runtime: Runtime, job_id: str, json_: bool) -> None:
    """Show one job, and why it has not started, what it does, or how it ended."""
    from dataclasses import asdict

    from polling.store import queue

    with runtime.store.read() as session:
        found = queue.get_job(session, job_id)
        sentence = queue.explain(session, job_id, now=runtime.now())
    if json_:
        print_json({**asdict(found), "explanation": sentence})
        return
    click.echo(f"{found.kind} {found.key}: {found.state}. {sentence}")
    shown = {name: value for name, value in asdict(found).items() if value is not None and name != "detail"}
    print_table(("", ""), list(shown.items()))


@jobs.command()
@click.argument("job_id", metavar="JOB")
@click.pass_obj
def cancel(runtime: Runtime, job_id: str) -> None:
    """Cancel a queued job, or ask a running one to stop. Exit code 1 if it has ended already."""
    from polling.store import queue

    with runtime.store.write() as session:
        before = queue.get_job(session, job_id)
        after = queue.cancel(session, job_id, now=runtime.now())
    if before.state in ("succeeded", "failed"):
        click.echo(f"Job {job_id} has ended already: {before.state}.")
        raise click.exceptions.Exit(1)
    click.echo(f"Job {job_id} was {'cancelled' if after.state == 'failed' else 'asked to stop'}.")
