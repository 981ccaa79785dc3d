"""``hustings fit``: ask for a fit now and wait for it, or list fits."""

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["fit"]


@click.group(short_help="Fit questions: ask now and wait, or list fits.")
def fit() -> None:
    """Every fit is stored, publishable or not; only a publishable one is served."""


@fit.command()
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until the fit has ended.")
@click.option("--here", is_flag=True, help="Do it in this process, without a worker.")
@as_json
@click.pass_obj
def now(runtime: Runtime, *, survey_id: str, question_id: str, wait: bool, here: bool, json_: bool) -> None:
    """Ask for a refit of a question at once, and follow it.

    A running worker does the fit (`hustings serve` has one), or this process with --here. Exit code 1 if
    the fit failed or is not publishable. Ctrl-C stops the waiting, not the fit.
    """
    from dataclasses import replace

    from jobs.restate import ask_refit, tell_asked
    from polling.store import surveys
    from polling.store.wave_events import lock_survey

    at_once = replace(runtime.settings, refit_quiet_s=0.0, refit_patience_s=0.0)
    with runtime.store.write() as session:
        surveys.get_survey(session, survey_id).bundle.declaration.question(question_id)
        lock_survey(session, survey_id)
        job = ask_refit(session, at_once, survey_id=survey_id, question_id=question_id, now=runtime.now())
        tell_asked(session, (job,), now=runtime.now())
    if not wait:
        _report(job, json_)
        return
    from api.cli.follow import follow_job

    job = follow_job(runtime, job.id, here=here, quiet=json_)
    _report(job, json_)
    if job.fit_id is not None and not json_:
        from api.cli.diagnostics import print_model
        from polling.store import fits

        with runtime.store.read() as session:
            print_model(fits.get_fit(session, job.fit_id))
    if job.state != "succeeded":
        raise click.exceptions.Exit(1)


@fit.command("list")
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@as_json
@click.pass_obj
def list_(runtime: Runtime, survey_id: str, question_id: str, json_: bool) -> None:
    """List the fits of a question, newest first."""
    from polling.store import fits, surveys

    with runtime.store.read() as session:
        surveys.get_survey(session, survey_id).bundle.declaration.question(question_id)
        found = fits.list_fits(session, survey_id, question_id)
    if json_:
        print_json({"survey": survey_id, "question": question_id, "fits": found})
        return
    print_table(
        ("fit", "created (UTC)", "engine", "interviews", "cells", "publishable"),
        [
            (one.id, one.created_at, one.engine, f"{one.n_interviews:,}", f"{one.n_cells:,}", one.publishable)
            for one in found
        ],
    )


def _report(job: object, json_: bool) -> None:
    from polling.store.records import JobRecord

    assert isinstance(job, JobRecord)
    if json_:
        print_json(job)
        return
    ended = job.state in ("succeeded", "failed")
    click.echo(f"Job {job.id}: {job.code if ended else job.state}{f'. {job.detail}' if job.detail else '.'}")
