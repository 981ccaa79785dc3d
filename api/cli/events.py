"""``hustings events``: print what happened in a survey, as those who follow it are told."""

from collections.abc import Mapping

import click

from api.cli.output import as_json, print_json, print_table
from api.cli.runtime import Runtime

__all__ = ["events"]

TYPES = ("wave", "job", "release", "question", "survey")
HEAD = ("id", "kind", "survey", "at", "url")


@click.command(short_help="Print what happened in a survey.")
@click.argument("survey_id", metavar="SURVEY")
@click.option(
    "--since", type=click.IntRange(0), default=0, show_default=True, help="The id of the last event that was seen."
)
@click.option("--type", "types", type=click.Choice(TYPES), multiple=True, help="Only these; may be repeated.")
@as_json
@click.pass_obj
def events(runtime: Runtime, *, survey_id: str, since: int, types: tuple[str, ...], json_: bool) -> None:
    """Print events after an id, oldest first: ids, names and states, as the stream and webhooks have them."""
    from api.event_hub import require_kept
    from jobs.events import Event, read_events
    from polling.store import outbox, surveys

    found: list[Event] = []
    with runtime.store.read() as session:
        surveys.list_versions(session, survey_id)
        require_kept(since, outbox.first_id(session, survey_id), outbox.newest_id(session))
        through, is_last = since, False
        while not is_last:
            page = read_events(session, through, survey_id=survey_id)
            found += [one for one in page.events if not types or one.type in types]
            through, is_last = page.through, page.is_last
    if json_:
        print_json({"survey": survey_id, "events": [{"type": one.type, **one.to_json()} for one in found]})
        return
    print_table(
        ("id", "at (UTC)", "event", "about"),
        [(one.id, one.at, one.kind, _about(one.to_json())) for one in found],
    )


def _about(body: Mapping[str, object]) -> str:
    shown = {name: value for name, value in body.items() if name not in HEAD}
    return ", ".join(f"{name} {_text(value)}" for name, value in shown.items())


def _text(value: object) -> str:
    return " and ".join(map(str, value)) if isinstance(value, list) else str(value)
