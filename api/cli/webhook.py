"""``hustings webhook``: addresses that events of a survey are sent to, and what became of each event there."""

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["webhook"]

TYPES = ("wave", "job", "release", "question", "survey")

survey_argument = click.argument("survey_id", metavar="SURVEY")
webhook_argument = click.argument("webhook_id", metavar="WEBHOOK")


@click.group(short_help="Add, list or remove webhooks; see deliveries, send again.")
def webhook() -> None:
    """A webhook is an https address that events of a survey are sent to, signed, each at least once and in order."""


@webhook.command()
@survey_argument
@click.argument("url")
@click.option(
    "--type",
    "types",
    type=click.Choice(TYPES),
    multiple=True,
    default=("wave", "job", "release"),
    show_default=True,
    help="What is sent; may be repeated.",
)
@as_json
@click.pass_obj
def add(runtime: Runtime, *, survey_id: str, url: str, types: tuple[str, ...], json_: bool) -> None:
    """Send events that happen from now on to an address; print the secret of the signatures: once."""
    import msgspec

    from api.event_payloads import NewWebhookPayload, webhook_payload
    from jobs import webhook_acts
    from jobs.ledger import cli_actor

    made, secret = webhook_acts.create(
        runtime.store,
        runtime.secrets,
        runtime.settings,
        survey_id=survey_id,
        url=url,
        types=sorted(set(types)),
        now=runtime.now(),
        actor=cli_actor(),
    )
    if json_:
        print_json(NewWebhookPayload(**msgspec.structs.asdict(webhook_payload(made)), secret=secret))
        return
    click.echo(secret)
    click.echo(f"Webhook {made.id}. This is the only time that its secret is shown.", err=True)


@webhook.command("list")
@survey_argument
@as_json
@click.pass_obj
def list_(runtime: Runtime, *, survey_id: str, json_: bool) -> None:
    """List the webhooks of a survey, and how far each has come."""
    from api.event_payloads import WebhookList, webhook_payload
    from jobs.events import kinds_of
    from polling.store import surveys, webhooks

    with runtime.store.read() as session:
        surveys.list_versions(session, survey_id)
        found = webhooks.list_webhooks(session, survey_id)
        waiting = [webhooks.waiting(session, one, kinds_of(one.types)) for one in found]
    if json_:
        print_json(WebhookList(survey_id, [webhook_payload(one) for one in found]))
        return
    print_table(
        ("webhook", "address", "types", "since (UTC)", "waiting", "oldest (UTC)"),
        [
            (one.id, one.url, ", ".join(one.types), one.created_at, left.n, left.since)
            for one, left in zip(found, waiting, strict=True)
        ],
    )


@webhook.command()
@survey_argument
@webhook_argument
@click.pass_obj
def remove(runtime: Runtime, *, survey_id: str, webhook_id: str) -> None:
    """Send nothing more to an address; forget it, with its secret and its log."""
    from jobs import webhook_acts
    from jobs.ledger import cli_actor

    webhook_acts.delete(
        runtime.store,
        runtime.secrets,
        survey_id=survey_id,
        webhook_id=webhook_id,
        now=runtime.now(),
        actor=cli_actor(),
    )
    click.echo(f"Webhook {webhook_id} is removed.")


@webhook.command()
@survey_argument
@webhook_argument
@click.option("--limit", type=click.IntRange(1, 200), default=200, show_default=True, help="How many at most.")
@as_json
@click.pass_obj
def deliveries(runtime: Runtime, *, survey_id: str, webhook_id: str, limit: int, json_: bool) -> None:
    """Print what became of the last events that were sent to an address, newest first."""
    from api.event_payloads import DeliveryList, delivery_payload
    from polling.store import surveys, webhooks

    with runtime.store.read() as session:
        surveys.list_versions(session, survey_id)
        one = webhooks.get_webhook(session, survey_id, webhook_id)
        found = webhooks.list_deliveries(session, webhook_id, limit=limit)
    if json_:
        print_json(DeliveryList(webhook_id, [delivery_payload(one, delivery) for delivery in found], None))
        return
    print_table(
        ("event", "kind", "state", "attempts", "last (UTC)", "detail"),
        [(each.event_id, each.kind, each.state, each.attempts, each.last_at, each.detail) for each in found],
    )


@webhook.command()
@survey_argument
@webhook_argument
@click.argument("event_id", metavar="EVENT", type=click.IntRange(1))
@as_json
@click.pass_obj
def replay(runtime: Runtime, *, survey_id: str, webhook_id: str, event_id: int, json_: bool) -> None:
    """Have a worker send an event to an address once more, whatever comes before and after it."""
    from jobs import webhook_acts
    from jobs.ledger import cli_actor

    job = webhook_acts.send_again(
        runtime.store,
        runtime.secrets,
        survey_id=survey_id,
        webhook_id=webhook_id,
        event_id=event_id,
        now=runtime.now(),
        actor=cli_actor(),
    )
    if json_:
        print_json({"job": job.id, "webhook": webhook_id, "event": event_id})
        return
    click.echo(f"A worker sends it: job {job.id}.")
