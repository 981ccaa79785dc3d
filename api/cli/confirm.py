"""``hustings confirm``: ask NUTS whether it agrees with what is served."""

from typing import Any

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["confirm"]


@click.command(short_help="Ask NUTS whether it agrees with a release.")
@click.argument("survey_id", metavar="SURVEY")
@click.argument("question_id", metavar="QUESTION")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it has ended.")
@click.option("--here", is_flag=True, help="Do it in this process, without a worker.")
@as_json
@click.pass_obj
def confirm(runtime: Runtime, *, survey_id: str, question_id: str, wait: bool, here: bool, json_: bool) -> None:
    """Fit with NUTS what the served release was fitted on, and compare the two; minutes.

    The clock does it every night for releases that were not confirmed yet. Exit code 1 if NUTS disagrees, or
    settled nothing. Ctrl-C stops the waiting, not the job.
    """
    from jobs import release_acts
    from jobs.ledger import cli_actor

    job = release_acts.confirm(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        question_id=question_id,
        now=runtime.now(),
        actor=cli_actor(),
    )
    if not wait:
        if json_:
            print_json(job)
        else:
            click.echo(f"Job {job.id}: {job.state}.")
        return
    from api.cli.follow import follow_job
    from polling.store import confirmations, releases

    job = follow_job(runtime, job.id, here=here, quiet=json_)
    with runtime.store.read() as session:
        release = releases.current_release(session, survey_id, question_id)
        said = None if release is None else confirmations.find_confirmation(session, release.fit_id)
    if json_:
        print_json({"job": job, "confirmation": said})
    else:
        click.echo(f"Job {job.id}: {job.code}. {job.detail}")
        if said is not None:
            _print_numbers(said.numbers)
    if job.code != "confirmed":
        raise click.exceptions.Exit(1)


def _print_numbers(numbers: Any) -> None:
    agreement, reference = numbers.get("agreement"), numbers.get("reference")
    if not agreement:
        return
    rows = [
        ("typical difference of means, sds", agreement["typical"], ""),
        ("largest difference of means, sds", agreement["worst_mean"], agreement["worst_mean_of"]),
        ("largest log ratio of sds", agreement["worst_log_sd"], agreement["worst_log_sd_of"]),
        (
            "largest difference of 5% and 95% quantiles, sds",
            agreement["worst_quantile"],
            agreement["worst_quantile_of"],
        ),
        ("largest R-hat of NUTS", reference["r_hat"], reference["r_hat_of"]),
        ("fewest effective draws of NUTS", reference["effective"], reference["effective_of"]),
    ]
    print_table(("", "", ""), [(name, "" if value is None else f"{value:.4g}", of) for name, value, of in rows])
    for problem in agreement["problems"]:
        click.echo(f"  {problem}")
