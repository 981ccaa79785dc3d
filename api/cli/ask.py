"""``hustings ask``: what else can be asked of a question's stored draws, each as over HTTP and with its numbers."""

import click

from api.cli.ask_districts import battleground, district, seats
from api.cli.asked import Asked, asked, points, print_groups, print_head, share_cells
from api.cli.output import percent

__all__ = ["ask"]

SIDE = "column:level, separated by commas; of several levels of one column any is meant."


@click.group(short_help="Ask for ranks, chances, differences, changes, seats.")
def ask() -> None:
    """Ask for ranks, chances, differences, changes and seats, from the stored draws of a release."""


for _one in (district, seats, battleground):
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
    print_head(answer, f"Mean, {answer.unit or scored or 'in the unit of the answers'}")
    print_groups(
        answer,
        ("mean", "low", "high", "people", ""),
        answer.means,
        lambda one: (
            *(f"{number:.4g}" for number in (one.mean, one.low, one.high)),
            f"{one.n_people:,.0f}",
            ", ".join(one.flags),
        ),
    )


@ask.command(short_help="How probable shares above a threshold are.")
@asked
@click.option("--threshold", type=float, default=0.5, show_default=True, help="A share, from 0 to 1.")
def probability(asked: Asked, *, threshold: float) -> None:
    """Print the probability that the share is above a threshold, for every area and group."""
    from api.chances import ProbabilityQuery, answer_probabilities, prepare_probabilities

    query = asked.query(ProbabilityQuery, threshold=threshold)
    prepared = prepare_probabilities(asked.releases, asked.served, query, asked.settings)
    answer = answer_probabilities(prepared, asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"Probability of more than {100 * threshold:g}% for '{answer.option}'")
    print_groups(
        answer,
        ("probability", "share", "low", "high", ""),
        answer.probabilities,
        lambda one: (percent(one.probability), *share_cells(one), ", ".join(one.flags)),
    )


@ask.command(short_help="Where areas stand among each other.")
@asked
def rank(asked: Asked) -> None:
    """Print where every area stands among all areas of --level; 1 is the largest share."""
    from api.chances import RankQuery, answer_ranks, prepare_ranks

    prepared = prepare_ranks(asked.releases, asked.served, asked.query(RankQuery), asked.settings)
    answer = answer_ranks(prepared, asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"Ranks of {answer.ranked} by the share of '{answer.option}'")
    print_groups(
        answer,
        ("rank", "low", "high", "of", "first", "share", ""),
        sorted(answer.ranks, key=lambda one: (*one.groups.values(), one.rank)),
        lambda one: (
            f"{one.rank:.1f}",
            f"{one.rank_low:g}",
            f"{one.rank_high:g}",
            one.n_ranked,
            percent(one.p_first),
            percent(one.share),
            ", ".join(one.flags),
        ),
    )


@ask.command(short_help="The difference of two groups, areas or options.")
@asked
@click.option("--first", help=f"Who is compared: {SIDE}")
@click.option("--second", help=f"With whom: {SIDE}")
@click.option("--versus", help="Instead of both: the option over which the lead of --option is asked.")
def contrast(asked: Asked, *, first: str | None, second: str | None, versus: str | None) -> None:
    """Print how much larger one share is than another: --first age:65+ --second age:18-29, or --versus OPTION."""
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
    shares = f"Lead of '{one}' over '{other}'" if versus else f"Share of '{answer.option}', {one} minus {other}"
    print_head(answer, f"{shares}, in points")
    print_groups(
        answer,
        ("first", "second", "difference", "low", "high", "larger", ""),
        answer.contrasts,
        lambda one: (
            percent(one.first.share),
            percent(one.second.share),
            points(one.difference),
            points(one.low),
            points(one.high),
            percent(one.p_larger),
            one.words,
        ),
    )


@ask.command(short_help="How shares changed.")
@asked
@click.option("--since", help="The period before. Default: the one before --period.")
@click.option("--before", help="Instead of periods: id of an earlier release that shares no interview.")
def change(asked: Asked, *, since: str | None, before: str | None) -> None:
    """Print how shares changed between two periods of one release, or two releases that share no interview."""
    from api.changes import ChangeQuery, answer_changes, prepare_change, prepare_change_of_releases
    from api.served import find_earlier

    query = asked.query(ChangeQuery, since=since or None)
    if before is None:
        prepared = prepare_change(asked.releases, asked.served, query, asked.settings)
    else:
        with asked.read() as session:
            earlier = find_earlier(session, asked.served, before)
        prepared = prepare_change_of_releases(asked.releases, asked.served, earlier, query, asked.settings)
    answer = answer_changes(prepared, asked.settings)
    if asked.print_json(answer):
        return
    begin = answer.since if answer.before is None else f"release {answer.before.release_number}"
    print_head(answer, f"Change of the share of '{answer.option}' since {begin}, in points")
    print_groups(
        answer,
        ("before", "after", "change", "low", "high", "rise", ""),
        answer.changes,
        lambda one: (
            percent(one.before.share),
            percent(one.after.share),
            points(one.difference),
            points(one.low),
            points(one.high),
            percent(one.p_rise),
            one.words,
        ),
    )


@ask.command(short_help="Shares over time.")
@asked
@click.option("--since", help="The first period. Default: the first of the model.")
@click.option("--until", help="The last period. Default: the last of the model.")
def trend(asked: Asked, *, since: str | None, until: str | None) -> None:
    """Print shares in every period of a model that has periods."""
    from api.trends import TrendQuery, answer_trend, prepare_trend

    query = asked.query(TrendQuery, since=since or None, until=until or None)
    answer = answer_trend(prepare_trend(asked.releases, asked.served, query, asked.settings), asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"Share of '{answer.option}' over time")
    print_groups(
        answer,
        ("period", "share", "low", "high", "interviews"),
        answer.points,
        lambda one: (
            one.period,
            *share_cells(one),
            "" if one.n_interviews is None else f"{one.n_interviews:,}",
        ),
    )


@ask.command(short_help="Raw, weighted and MRP shares side by side.")
@asked
def methods(asked: Asked) -> None:
    """Print the share as interviewed, raked to the frame, and estimated by the model, and how the three differ."""
    from api.group_query import prepare_of_everybody
    from api.methods import MethodsQuery, answer_methods

    prepared = prepare_of_everybody(asked.releases, asked.served, asked.query(MethodsQuery), asked.settings)
    answer = answer_methods(prepared, asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"Share of '{answer.option}' by three methods")
    weighting = answer.weighting
    if weighting.design_effect is not None:
        effect = f"design effect {weighting.design_effect:g}"
        click.echo(f"Weighted: raked to {', '.join(weighting.raked_to)}; {effect}.")
    print_groups(
        answer,
        ("raw", "low", "high", "weighted", "low", "high", "mrp", "low", "high", "interviews"),
        answer.methods,
        lambda one: (
            *(share_cells(one.raw) if one.raw else ("", "", "")),
            *(share_cells(one.weighted) if one.weighted else ("", "", "")),
            *share_cells(one.mrp),
            "" if one.n_interviews is None else f"{one.n_interviews:,}",
        ),
    )
    for one in answer.methods:
        if one.apart:
            click.echo(f"{', '.join((one.area_name, *one.groups.values()))}: {one.sentence}")


@ask.command(short_help="What a release says differently from an earlier one, and why.")
@asked
@click.option("--before", help="Id of the earlier release. Default: the one before --release.")
def revision(asked: Asked, *, before: str | None) -> None:
    """Print what a release says differently from an earlier one, and where that comes from."""
    from api.revisions import RevisionQuery, answer_revision, prepare_revision
    from api.served import find_earlier
    from polling.store import fits
    from polling.store.restatement import compare_waves

    with asked.read() as session:
        earlier = find_earlier(session, asked.served, before)
        fit_before, fit_after = (fits.get_fit(session, one.release.fit_id) for one in (earlier, asked.served))
        waves = compare_waves(session, fit_before, fit_after)
    query = asked.query(RevisionQuery, waves=waves)
    prepared = prepare_revision(asked.releases, asked.served, earlier, query, asked.settings)
    answer = answer_revision(prepared, asked.settings)
    if asked.print_json(answer):
        return
    begin = f"release {answer.before.release_number}"
    what = f"Share of '{answer.option}' in {begin} and in this one, the difference in points"
    print_head(answer, what, has_intervals=False)
    click.echo(f"Cause: {', '.join(answer.causes)}.")
    for sentence in (*(one.text for one in answer.waves), *answer.reasons):
        click.echo(f"  {sentence}")
    print_groups(
        answer,
        ("before", "after", "difference", ""),
        answer.revisions,
        lambda one: (
            percent(one.before.share),
            percent(one.after.share),
            points(one.difference),
            "" if one.beyond_simulation else "within simulation error",
        ),
    )


def _labels(side: dict[str, list[str]]) -> str:
    return ", ".join(" or ".join(levels) for levels in side.values())
