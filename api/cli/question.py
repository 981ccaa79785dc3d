"""``hustings question hold | release | roll-back | pin | unpin | show``: what analysts do with what is served."""

from typing import TYPE_CHECKING

import click

from api.cli.output import as_json, print_json
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from jobs.release_acts import ServedNow
    from polling.store.records import QuestionStateRecord, ReleaseRecord

__all__ = ["question"]

survey_argument = click.argument("survey_id", metavar="SURVEY")
question_argument = click.argument("question_id", metavar="QUESTION")
reason_option = click.option("--reason", required=True, help="Why; shown beside the estimates.")
pin_reason = click.option("--reason", required=True, help="Why; kept in the audit log.")


@click.group(short_help="Hold what is served, release it, go back, pin or show it.")
def question() -> None:
    """New fits of a held question are kept and not served, until it is released."""


@question.command()
@survey_argument
@question_argument
@reason_option
@as_json
@click.pass_obj
def hold(runtime: Runtime, *, survey_id: str, question_id: str, reason: str, json_: bool) -> None:
    """Keep new fits back: what is served stays, and says by whom and why."""
    from jobs import release_acts
    from jobs.ledger import cli_actor

    _tell(
        release_acts.hold(
            runtime.store,
            runtime.secrets,
            runtime.settings,
            survey_id=survey_id,
            question_id=question_id,
            reason=reason,
            now=runtime.now(),
            actor=cli_actor(),
        ),
        json_=json_,
    )


@question.command()
@survey_argument
@question_argument
@reason_option
@as_json
@click.pass_obj
def release(runtime: Runtime, *, survey_id: str, question_id: str, reason: str, json_: bool) -> None:
    """End a hold: the newest publishable fit that was kept back is published."""
    from jobs import release_acts
    from jobs.ledger import cli_actor

    _tell(
        release_acts.end_hold(
            runtime.store,
            runtime.secrets,
            runtime.settings,
            survey_id=survey_id,
            question_id=question_id,
            reason=reason,
            now=runtime.now(),
            actor=cli_actor(),
        ),
        json_=json_,
    )


@question.command("roll-back")
@survey_argument
@question_argument
@click.argument("release_name", metavar="RELEASE")
@reason_option
@as_json
@click.pass_obj
def roll_back(
    runtime: Runtime, *, survey_id: str, question_id: str, release_name: str, reason: str, json_: bool
) -> None:
    """Serve an earlier release (number or id) again, and hold the question."""
    from jobs import release_acts
    from jobs.ledger import cli_actor

    _tell(
        release_acts.roll_back(
            runtime.store,
            runtime.secrets,
            runtime.settings,
            survey_id=survey_id,
            question_id=question_id,
            release_id=_id_of(runtime, survey_id, question_id, release_name),
            reason=reason,
            now=runtime.now(),
            actor=cli_actor(),
        ),
        json_=json_,
    )


@question.command()
@survey_argument
@question_argument
@click.argument("release_name", metavar="RELEASE")
@pin_reason
@as_json
@click.pass_obj
def pin(runtime: Runtime, *, survey_id: str, question_id: str, release_name: str, reason: str, json_: bool) -> None:
    """Keep the draws of a release (number or id), so that it can answer however old it gets."""
    _pin(runtime, survey_id, question_id, release_name, act="pin", reason=reason, json_=json_)


@question.command()
@survey_argument
@question_argument
@click.argument("release_name", metavar="RELEASE")
@pin_reason
@as_json
@click.pass_obj
def unpin(runtime: Runtime, *, survey_id: str, question_id: str, release_name: str, reason: str, json_: bool) -> None:
    """Let the draws of a release go when the time of such releases is over."""
    _pin(runtime, survey_id, question_id, release_name, act="unpin", reason=reason, json_=json_)


@question.command()
@survey_argument
@question_argument
@as_json
@click.pass_obj
def show(runtime: Runtime, *, survey_id: str, question_id: str, json_: bool) -> None:
    """Show what is served, whether it is held, and what NUTS said of it."""
    from api.confirmed import describe_confirmation
    from polling.store import confirmations, releases

    with runtime.store.read() as session:
        state = releases.question_state(session, survey_id, question_id)
        served = releases.current_release(session, survey_id, question_id)
        said = None if served is None else confirmations.find_confirmation(session, served.fit_id)
    if json_:
        print_json({"state": state, "release": served, "confirmation": said})
        return
    _print(state, served)
    if served is not None:
        click.echo(describe_confirmation(served, said).sentence)


def _id_of(runtime: Runtime, survey_id: str, question_id: str, name: str) -> str:
    """The id of a release that is named by its number or its id."""
    if not name.isdecimal() or len(name) > 9:
        return name
    from polling.errors import ReleaseNotFound
    from polling.store import releases

    with runtime.store.read() as session:
        releases.question_state(session, survey_id, question_id)
        listed = releases.list_releases(session, survey_id, question_id)
    found = next((one.id for one in listed if one.number == int(name)), None)
    if found is None:
        raise ReleaseNotFound(f"{name} of question '{question_id}'")
    return found


def _pin(
    runtime: Runtime, survey_id: str, question_id: str, release_name: str, *, act: str, reason: str, json_: bool
) -> None:
    from jobs import pin_acts
    from jobs.ledger import cli_actor

    release_id = _id_of(runtime, survey_id, question_id, release_name)
    do = pin_acts.pin if act == "pin" else pin_acts.unpin
    pin, changed = do(
        runtime.store, runtime.secrets, release_id=release_id, reason=reason, now=runtime.now(), actor=cli_actor()
    )
    if json_:
        print_json({"release": release_id, "changed": changed, "pin": pin})
        return
    if not changed:
        click.echo("Nothing was changed: it stood so already.")
    if pin is None:
        click.echo(f"Release {release_name} is not pinned: its draws are deleted when their time is over.")
    else:
        click.echo(f"Release {release_name} is pinned since {pin.at:%Y-%m-%d %H:%M} UTC: {pin.reason}")


def _tell(served: "ServedNow", *, json_: bool) -> None:
    if json_:
        print_json(served)
        return
    if not served.changed:
        click.echo("Nothing was changed: it stood so already.")
    if served.published is not None:
        click.echo(f"Release {served.published.number} is published.")
    _print(served.state, served.release)
    for job in served.jobs:
        click.echo(f"A refit is {job.state} (job {job.id}).")


def _print(state: "QuestionStateRecord", served: "ReleaseRecord | None") -> None:
    what = "nothing yet" if served is None else f"release {served.number} of {served.published_at:%Y-%m-%d %H:%M} UTC"
    click.echo(f"Served for {state.question_id} of {state.survey_id}: {what}.")
    if state.stale_reason:
        click.echo(f"Stale since {state.stale_since:%Y-%m-%d %H:%M} UTC: {state.stale_reason}")
