"""The facts of a wave on the command line: ``--fact NAME=TEXT``."""

from typing import Any

import click

__all__ = ["fact_option", "facts_told"]

fact_option = click.option(
    "--fact",
    "facts",
    multiple=True,
    metavar="NAME=TEXT",
    help="mode, sponsor, sample_source, universe, language, or wording.QUESTION; once for each.",
)


def facts_told(given: tuple[str, ...]) -> dict[str, Any]:
    """The facts as they are checked and stored."""
    facts: dict[str, Any] = {}
    for one in given:
        name, equals, text = one.partition("=")
        if not equals:
            raise click.BadParameter(f"{one[:40]!r} is not NAME=TEXT", param_hint="--fact")
        first, _, question = name.strip().partition(".")
        into, key = (
            (facts.setdefault("wording", {}), question) if first == "wording" and question else (facts, name.strip())
        )
        if key in into:
            raise click.BadParameter(f"{name.strip()} was given twice", param_hint="--fact")
        into[key] = text
    return facts
