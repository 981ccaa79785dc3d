"""``hustings jobs``: look at the queue, at how long jobs take, and at what the clock will do."""

from typing import TYPE_CHECKING

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.clock import ScheduledTask

__all__ = ["jobs"]


@click.group(short_help="List, show or cancel jobs; show what the clock will do.")
def jobs() -> None:
    """Jobs are the refits that waves ask for, and what the clock asks for."""


@jobs.command("list")
@click.option("--survey", "survey_id", help="Only this survey's.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["queued", "running", "succeeded", "failed"]),
    help="Only jobs in this state; may be repeated.",
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
@as_json
@click.pass_obj
def list_(runtime: Runtime, survey_id: str | None, states: tuple[str, ...], limit: int, json_: bool) -> None:
    """List jobs, newest first."""
    from dataclasses import asdict

    from polling.store import queue
    from polling.store.job_history import expected_ends

    with runtime.store.read() as session:
        found = queue.list_jobs(session, survey_id=survey_id, states=states or None, limit=limit)
        ends = expected_ends(session, found, now=runtime.now())
    if json_:
        more = [{"queued_s": one.queued_s, "ran_s": one.ran_s, "expected_end_at": ends.get(one.id)} for one in found]
        print_json({"jobs": [asdict(one) | told for one, told in zip(found, more, strict=True)]})
        return
    print_table(
        ("job", "what", "state", "code", "asked (UTC)", "queued s", "ran s", "end expected", "detail"),
        [
            (
                one.id,
                f"{one.kind} {one.key}",
                one.state,
                one.code,
                one.first_asked_at,
                _seconds(one.queued_s),
                _seconds(one.ran_s),
                _clock(ends.get(one.id)),
                one.detail,
            )
            for one in found
        ],
    )


@jobs.command()
@click.argument("job_id", metavar="JOB")
@as_json
@click.pass_obj
def show(runtime: Runtime, job_id: str, json_: bool) -> None:
    """Show one job, and why it has not started, what it does, or how it ended."""
    from dataclasses import asdict

    from polling.store import queue
    from polling.store.job_history import expected_ends

    with runtime.store.read() as session:
        found = queue.get_job(session, job_id)
        sentence = queue.explain(session, job_id, now=runtime.now())
        end = expected_ends(session, [found], now=runtime.now()).get(job_id)
    told = asdict(found) | {"queued_s": found.queued_s, "ran_s": found.ran_s, "expected_end_at": end}
    if json_:
        print_json({**told, "explanation": sentence})
        return
    expected = f" It should have ended by {end:%H:%M:%S} UTC." if end is not None else ""
    click.echo(f"{found.kind} {found.key}: {found.state}. {sentence}{expected}")
    print_table(("", ""), [(name, value) for name, value in told.items() if value is not None and name != "detail"])


@jobs.command()
@click.argument("job_id", metavar="JOB")
@click.pass_obj
def cancel(runtime: Runtime, job_id: str) -> None:
    """Cancel a queued job, or ask a running one to stop. Exit code 1 if it has ended already."""
    from jobs import job_acts
    from jobs.ledger import cli_actor

    job, changed = job_acts.cancel(runtime.store, runtime.secrets, job_id=job_id, now=runtime.now(), actor=cli_actor())
    if not changed and job.state in ("succeeded", "failed"):
        click.echo(f"Job {job_id} has ended already: {job.state}.")
        raise click.exceptions.Exit(1)
    click.echo(f"Job {job_id} was {'cancelled' if job.state == 'failed' else 'asked to stop'}.")


@jobs.command()
@click.option("--survey", "survey_id", help="Only this survey's.")
@click.option("--kind", help="Only jobs of this kind, e.g. refit.")
@click.option("--days", type=click.FloatRange(0), default=7.0, show_default=True, help="That ended in so many days.")
@as_json
@click.pass_obj
def history(runtime: Runtime, survey_id: str | None, kind: str | None, days: float, json_: bool) -> None:
    """Show how long jobs waited and ran, by what they do: medians, and the longest run."""
    from datetime import timedelta

    from polling.store.job_history import durations

    with runtime.store.read() as session:
        since = runtime.now() - timedelta(days=days)
        found = durations(session, since=since, survey_id=survey_id, kind=kind)
    if json_:
        print_json({"since": since, "work": found})
        return
    print_table(
        ("what", "succeeded", "failed", "queued s", "ran s", "longest s", "last (UTC)"),
        [
            (
                f"{one.kind} {one.key}",
                one.n_succeeded,
                one.n_failed,
                _seconds(one.queued_s),
                _seconds(one.ran_s),
                _seconds(one.longest_s),
                one.last_at,
            )
            for one in found
        ],
    )


@jobs.command()
@as_json
@click.pass_obj
def schedule(runtime: Runtime, json_: bool) -> None:
    """Show what the clock of the workers will do and when, and what it did."""
    from jobs.clock import LEASE
    from jobs.clock import schedule as scheduled
    from jobs.tasks import house_tasks
    from polling.store import leases

    now = runtime.now()
    with runtime.store.read() as session:
        found = scheduled(session, house_tasks(runtime.settings), now=now)
        leader = leases.holder(session, LEASE, now)
    if json_:
        print_json({"now": now, "leader": leader, "tasks": found})
        return
    print_table(
        ("next (UTC)", "task", "when", "last run (UTC)", "outcome", "s", "what it does, and did"),
        [
            (
                "due" if one.next_at <= now else _moment(one.next_at),
                one.name,
                _when(one),
                _moment(one.last_run_at),
                one.outcome,
                _seconds(one.seconds),
                _did(one),
            )
            for one in found
        ],
    )
    click.echo(f"Led by {leader}." if leader else "No worker keeps the clock now: start one with `hustings worker`.")


def _when(task: "ScheduledTask") -> str:
    if task.at is not None:
        return f"at {task.at}"
    seconds = task.every_s or 0.0
    unit, size = next((one for one in (("d", 86400), ("h", 3600), ("min", 60)) if seconds % one[1] == 0), ("s", 1))
    return f"every {seconds / size:g} {unit}"


def _did(task: "ScheduledTask") -> str:
    said = [task.about]
    if task.detail and (task.job is None or task.outcome == "failed"):
        said.append(task.detail)
    if task.job is not None:
        said.append(f"job {task.job.id} {task.job.state}" + (f": {task.job.detail}" if task.job.detail else ""))
    return "; ".join(said)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _clock(value: "datetime | None") -> str:
    return "" if value is None else f"{value:%H:%M:%S}"


def _moment(value: "datetime | None") -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"
