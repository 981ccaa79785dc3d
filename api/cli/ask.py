"""``hustings ask``: what else can be asked of a question's stored draws, each as over HTTP and with its numbers."""

import click

from api.cli.ask_districts import battleground, district, seats
from api.cli.ask_over_time import change, revision, trend
from api.cli.asked import (
    Asked,
    asked,
    begin_with,
    difference_of,
    flags_text,
    listed,
    measure_of,
    number_cells,
    number_of,
    print_groups,
    print_head,
    unit_of_differences,
    what_of,
)
from api.cli.output import percent

__all__ = ["ask"]

SIDE = "column:level, separated by commas; of several levels of one column any is meant."


@click.group(short_help="Ask for ranks, chances, differences, changes, seats.")
def ask() -> None:
    """Ask for ranks, chances, differences, changes and seats, from the stored draws of a release."""


for _one in (district, seats, battleground, change, trend, revision):
    ask.add_command(_one)


@ask.command(short_help="Means of numbers, or of the scores of a scale.")
@asked
def means(asked: Asked) -> None:
    """Print means by area and group: of answers that are numbers, or of the scores of ordered options."""
    from api.estimates import answer_means
    from api.group_query import MeansQuery, prepare_means

    query = asked.query(MeansQuery)
    answer = answer_means(prepare_means(asked.releases, asked.served, query, asked.settings), asked.settings)
    if asked.print_json(answer):
        return
    scored = ", ".join(f"{option} {score:g}" for option, score in answer.scores.items())
    print_head(answer, f"{begin_with(what_of(answer))}{f' ({scored})' if scored else ''}")
    print_groups(
        answer,
        ("mean", "low", "high", "people", "interviews", ""),
        answer.means,
        lambda one: (
            *number_cells(one),
            f"{one.n_people:,.0f}",
            "" if one.n_interviews is None else f"{one.n_interviews:,}",
            ", ".join(one.flags),
        ),
    )


@ask.command(short_help="How probable shares or means above a threshold are.")
@asked
@click.option("--threshold", type=float, help="A share, from 0 to 1, by default 0.5; of means a number in their unit.")
def probability(asked: Asked, *, threshold: float | None) -> None:
    """Print the probability that the share or the mean is above a threshold, for every area and group."""
    from api.chances import ProbabilityQuery, answer_probabilities, prepare_probabilities

    query = asked.query(ProbabilityQuery, threshold=threshold)
    prepared = prepare_probabilities(asked.releases, asked.served, query, asked.settings)
    answer = answer_probabilities(prepared, asked.settings)
    if asked.print_json(answer):
        return
    if answer.measure == "share":
        what = f"Probability of more than {100 * answer.threshold:g}% for '{answer.option}'"
    else:
        what = f"Probability of a mean above {answer.threshold:g} {answer.unit or ''}".rstrip()
    print_head(answer, what)
    print_groups(
        answer,
        ("probability", answer.measure, "low", "high", ""),
        answer.probabilities,
        lambda one: (percent(one.probability), *number_cells(one), flags_text(one)),
    )


@ask.command(short_help="Where areas stand among each other.")
@asked
def rank(asked: Asked) -> None:
    """Print where every area stands among all areas of --level; 1 is the largest share or mean."""
    from api.chances import RankQuery, answer_ranks, prepare_ranks

    prepared = prepare_ranks(asked.releases, asked.served, asked.query(RankQuery), asked.settings)
    answer = answer_ranks(prepared, asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"Ranks of {answer.ranked} by the {what_of(answer)}")
    print_groups(
        answer,
        ("rank", "low", "high", "of", "first", answer.measure, ""),
        sorted(answer.ranks, key=lambda one: (*one.groups.values(), one.rank)),
        lambda one: (
            f"{one.rank:.1f}",
            f"{one.rank_low:g}",
            f"{one.rank_high:g}",
            one.n_ranked,
            percent(one.p_first),
            number_of(one),
            flags_text(one),
        ),
    )


@ask.command(short_help="The difference of two groups, areas or options.")
@asked
@listed("--first", default=None, help_=f"Who is compared: {SIDE}")
@listed("--second", default=None, help_=f"With whom: {SIDE}")
@click.option("--versus", help="Instead of both: the option over which the lead of --option is asked.")
def contrast(asked: Asked, *, first: str | None, second: str | None, versus: str | None) -> None:
    """Print how much larger one share or mean is: --first age:65+ --second age:18-29, or --versus OPTION."""
    from api.contrasts import ContrastQuery, answer_contrasts, prepare_contrasts
    from api.label_text import labels_from

    query = asked.query(
        ContrastQuery,
        first=labels_from(first, "first"),
        second=labels_from(second, "second"),
        versus=versus or None,
    )
    prepared = prepare_contrasts(asked.releases, asked.served, query, asked.settings)
    answer = answer_contrasts(prepared, asked.settings)
    if asked.print_json(answer):
        return
    one, other = (_labels(side) for side in (answer.first, answer.second))
    lead = f"Lead of '{one}' over '{other}'"
    what = lead if versus else f"{begin_with(measure_of(answer))}, {one} minus {other}"
    print_head(answer, f"{what}, in {unit_of_differences(answer)}")
    print_groups(
        answer,
        ("first", "second", "difference", "low", "high", "larger", ""),
        answer.contrasts,
        lambda one: (
            number_of(one.first),
            number_of(one.second),
            difference_of(answer, one.difference),
            difference_of(answer, one.low),
            difference_of(answer, one.high),
            percent(one.p_larger),
            one.words,
        ),
    )


@ask.command(short_help="Raw, weighted and MRP shares or means side by side.")
@asked
def methods(asked: Asked) -> None:
    """Print the share or mean as interviewed, raked to the frame, and estimated by the model; how the three differ."""
    from api.group_query import prepare_of_everybody
    from api.methods import MethodsQuery, answer_methods

    prepared = prepare_of_everybody(asked.releases, asked.served, asked.query(MethodsQuery), asked.settings)
    answer = answer_methods(prepared, asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"{begin_with(what_of(answer))}, by three methods")
    weighting = answer.weighting
    if weighting.design_effect is not None:
        effect = f"design effect {weighting.design_effect:g}"
        click.echo(f"Weighted: raked to {', '.join(weighting.raked_to)}; {effect}.")
    by_itself = ", each option by itself: they need not add up" if len(prepared.loaded.question.options) > 2 else ""
    click.echo(f"Raw and weighted ones rest on counts that were changed a little for privacy{by_itself}.")
    print_groups(
        answer,
        ("raw", "low", "high", "weighted", "low", "high", "mrp", "low", "high", "interviews"),
        answer.methods,
        lambda one: (
            *(number_cells(one.raw) if one.raw else ("", "", "")),
            *(number_cells(one.weighted) if one.weighted else ("", "", "")),
            *number_cells(one.mrp),
            "" if one.n_interviews is None else f"{one.n_interviews:,}",
        ),
    )
    for one in answer.methods:
        if one.apart or (one.raw is None and answer.measure == "mean"):
            click.echo(f"{', '.join((one.area_name, *one.groups.values()))}: {one.sentence}")


@ask.command("whom-to-ask", short_help="What further interviews would narrow.")
@asked
@click.option("-n", "--n", "n", default=100, show_default=True, help="Further interviews in one group.")
@click.option(
    "--targets", default="district", show_default=True, help="What is to become narrower: a level, demographics, both."
)
def whom_to_ask(asked: Asked, *, n: int, targets: str) -> None:
    """Print how much narrower intervals would become with further interviews in each group of --level and --by."""
    from api.label_text import names_from
    from api.whom_to_ask import WhomToAskQuery, answer_whom_to_ask, prepare_whom_to_ask

    query = asked.query(WhomToAskQuery, n=n, targets=names_from(targets) or ("district",))
    prepared = prepare_whom_to_ask(asked.releases, asked.served, query, asked.settings)
    answer = answer_whom_to_ask(prepared, asked.settings)
    if asked.print_json(answer):
        return
    what = f"What {answer.n:,} further interviews would narrow, of {answer.n_targets:,} estimates"
    print_head(answer, f"{what} ({', '.join(answer.targets)})")
    print_groups(
        answer,
        ("narrower", "most", "of", "interviews"),
        answer.groups,
        lambda one: (
            percent(one.narrower),
            percent(one.most.narrower),
            ", ".join((one.most.area_name, *one.most.groups.values(), *filter(None, (one.most.option,)))),
            "" if one.n_interviews is None else f"{one.n_interviews:,}",
        ),
    )
    if answer.groups:
        click.echo(answer.groups[0].sentence)


def _labels(side: dict[str, list[str]]) -> str:
    return ", ".join(" or ".join(levels) for levels in side.values())
