"""What every question about shares and means is told on the command line, and what every answer says first.

@click.command(...)
@asked                       # survey, question, --level, --by, ... --json, as one argument
@click.option("--threshold", ...)
def probability(asked: Asked, threshold: float) -> None: ...
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any

import click

from api.cli.moment import moment
from api.cli.output import as_json, percent, print_json, print_table
from api.cli.runtime import Runtime

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from api.answer_payloads import AnswerHead, GroupRow, GroupsHead, WithheldGroup
    from api.group_query import EstimateQuery
    from api.release_cache import ReleaseCache
    from api.served import Served
    from jobs.settings import Settings

__all__ = [
    "Asked",
    "asked",
    "begin_with",
    "difference_of",
    "flags_text",
    "listed",
    "measure_of",
    "number_cells",
    "number_of",
    "print_groups",
    "print_head",
    "print_withheld",
    "unit_of_differences",
    "what_of",
]


def listed(name: str, *, default: str | None, help_: str) -> Callable[..., Any]:
    """An option of several values with commas between: given twice, it would forget the first."""

    def once(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> str | None:
        if len(given) > 1:
            raise click.BadParameter("given more than once; give it once, with commas between", context, parameter)
        return given[0] if given else default

    return click.option(name, multiple=True, callback=once, help=help_, show_default=default or False)


_OPTIONS = (
    click.argument("survey_id", metavar="SURVEY"),
    click.argument("question_id", metavar="QUESTION"),
    click.option(
        "--level", help="nation, a parent level or district. Default: district if districts are named, else nation."
    ),
    listed("--districts", default="", help_="District codes, separated by commas."),
    listed("--by", default="", help_="Demographics, separated by commas."),
    listed("--where", default="", help_="Who is counted: column:level, separated by commas, such as age:65+."),
    listed("--merge", default="", help_="Levels taken together, such as 'age:18-29|30-39=young'."),
    listed("--interval", default="0.9", help_="Probability of the central interval; several with commas."),
    click.option("--option", help="Whose share. Default: the first option."),
    click.option("--measure", help="share or mean. Default: the mean of numbers, of all other questions the share."),
    click.option("--period", help="A period of the model, such as 2026-W09. Default: the last one that it has."),
    click.option("--population", help="Whom it is about: everybody, or a declared part of the population."),
    click.option(
        "--uncertainty",
        help="model or total, where one probability is given. Default: total if an error is declared.",
    ),
    click.option(
        "--estimand",
        help="reports or truth, where reports are wrong at declared rates. Default: reports, what people say.",
    ),
    click.option("--release", "release_id", help="Id of a release. Default: the current one."),
    click.option(
        "--as-of", type=moment, metavar="TIME", help="Answer as it was known then, e.g. 2026-11-23T12:00 (UTC)."
    ),
)
_NAMES = (
    "survey_id", "question_id", "level", "districts", "by", "where", "merge", "interval", "option", "measure",
    "period", "population", "uncertainty", "estimand", "release_id", "as_of",
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What was asked, as HTTP understands it."""

    runtime: Runtime
    survey_id: str
    question_id: str
    level: str | None
    districts: str
    by: str
    where: str
    merge: str
    interval: str
    option: str | None
    measure: str | None
    period: str | None
    population: str | None
    uncertainty: str | None
    estimand: str | None
    release_id: str | None
    as_of: "datetime | None"
    json: bool

    def query[Q: EstimateQuery](self, kind: type[Q], /, **more: Any) -> Q:
        """The query, with what a command asks besides."""
        from api.label_text import intervals_from, labels_from, merges_from, names_from

        return kind(
            level=self.level,
            districts=names_from(self.districts),
            by=names_from(self.by),
            where=labels_from(self.where, "where"),
            merge=merges_from(self.merge),
            intervals=intervals_from(self.interval),
            option=self.option or None,
            measure=self.measure or None,
            period=self.period or None,
            population=self.population or None,
            uncertainty=self.uncertainty or None,
            estimand=self.estimand or None,
            **more,
        )

    @property
    def settings(self) -> "Settings":
        """The settings in force."""
        return self.runtime.settings

    @cached_property
    def releases(self) -> "ReleaseCache":
        """Where draws are."""
        from api.release_cache import ReleaseCache

        return ReleaseCache(self.runtime.store, self.runtime.secrets, self.settings)

    @cached_property
    def served(self) -> "Served":
        """The release that answers."""
        from api.served import find_served

        with self.read() as session:
            return find_served(session, self.survey_id, self.question_id, self.release_id, at=self.as_of)

    def read(self) -> "AbstractContextManager[Session]":
        """A look at the database."""
        return self.runtime.store.read()

    def print_json(self, answer: object) -> bool:
        """Print the answer as HTTP gives it, if that was asked for; whether it was."""
        if self.json:
            print_json(answer)
        return self.json


def asked(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command what every question says, as its argument ``asked``."""

    @wraps(command)
    def run(runtime: Runtime, /, *, json_: bool, **given: Any) -> None:
        about = {name: given.pop(name) for name in _NAMES}
        if about["release_id"] is not None and about["as_of"] is not None:
            raise click.UsageError("--release and --as-of both name a release. Give one of them.")
        command(Asked(runtime=runtime, json=json_, **about), **given)

    made: Callable[..., None] = as_json(click.pass_obj(run))
    for option in reversed(_OPTIONS):
        made = option(made)
    return made


def print_head(answer: "AnswerHead", what: str, *, has_intervals: bool = True) -> None:
    """Print the wording, what is given, which release answers, and all that is to be known of it."""
    from api.whom import whom_sentence

    intervals = f", {100 * answer.interval:g}% intervals" if has_intervals else ""
    click.echo(f"{answer.text}\n{what}{intervals}.")
    if answer.base != ["answered"]:
        click.echo(f"Of all who are counted: {', '.join(answer.base)}.")
    if whom := whom_sentence(answer.population):
        click.echo(whom)
    click.echo(f"Release {answer.release_number} of {answer.published_at:%Y-%m-%d %H:%M} UTC, {answer.engine}.")
    if answer.stale_reason:
        click.echo(f"Stale since {answer.stale_since:%Y-%m-%d %H:%M} UTC: {answer.stale_reason}")
    if answer.systematic_error is not None:
        click.echo(answer.uncertainty_meaning)
    for warning in answer.warnings:
        click.echo(f"Warning: {warning}.")
    for note in answer.data_notes:
        click.echo(note)
    if answer.confirmation.state != "none":
        click.echo(answer.confirmation.sentence)


def print_groups[R: GroupRow](
    answer: "GroupsHead", columns: Sequence[str], rows: Iterable[R], values: "Callable[[R], tuple[object, ...]]"
) -> None:
    """Print a row for each area and group, and what is withheld."""
    print_table(
        ("area", "name", *answer.by, *columns),
        [(one.area, one.area_name, *one.groups.values(), *values(one)) for one in rows],
    )
    print_withheld(answer.withheld)


def print_withheld(withheld: "Sequence[WithheldGroup]") -> None:
    """Say how many groups are too small, and why."""
    if withheld:
        some = "1 group is" if len(withheld) == 1 else f"{len(withheld):,} groups are"
        click.echo(f"{some} withheld; the first: {withheld[0].reason}")


def measure_of(answer: "GroupsHead") -> str:
    """What is answered: "share of 'yes'", "mean"."""
    return f"share of '{answer.option}'" if answer.measure == "share" else "mean"


def flags_text(one: Any) -> str:
    """What is to be known of an estimate; of an option that stands in part of the people, in which."""
    told = {"stands-in-part": f"stands-in-part ({percent(one.part_standing)} of the people)"}
    return ", ".join(told.get(flag, flag) for flag in one.flags)


def what_of(answer: "GroupsHead") -> str:
    """The same with the unit of means: "share of 'yes'", "mean, minutes"."""
    unit = "" if answer.measure == "share" else f", {answer.unit or 'in the unit of the answers'}"
    return f"{measure_of(answer)}{unit}"


def begin_with(words: str) -> str:
    """Words as the beginning of a line."""
    return f"{words[0].upper()}{words[1:]}"


def difference_of(answer: "GroupsHead", difference: float) -> str:
    """A difference of shares in points, or of means in their unit."""
    return f"{100 * difference:+.1f}" if answer.measure == "share" else f"{difference:+,.3g}"


def unit_of_differences(answer: "GroupsHead") -> str:
    """What differences are counted in."""
    return "points" if answer.measure == "share" else answer.unit or "the unit of the answers"


def number_of(one: Any, value: float | None = None) -> str:
    """The share or the mean of a row; or an end of its interval."""
    is_mean = getattr(one, "mean", None) is not None
    value = (one.mean if is_mean else one.share) if value is None else value
    return f"{value:,.4g}" if is_mean else percent(value)


def number_cells(one: Any) -> tuple[str, ...]:
    """Share or mean, and interval; in words where the option does not stand."""
    if one.low is None:
        return "does not stand", "", ""
    return number_of(one), number_of(one, one.low), number_of(one, one.high)
