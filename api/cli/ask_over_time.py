"""``hustings ask change``, ``trend`` and ``revision``: what is asked of periods, and of one release after another."""

import click

from api.cli.asked import (
    Asked,
    asked,
    begin_with,
    difference_of,
    measure_of,
    number_cells,
    number_of,
    print_groups,
    print_head,
    unit_of_differences,
    what_of,
)
from api.cli.output import percent

__all__ = ["change", "revision", "trend"]


@click.command(short_help="How shares or means changed.")
@asked
@click.option("--since", help="The period before. Default: the one before --period.")
@click.option("--before", help="Instead of periods: id of an earlier release that shares no interview.")
def change(asked: Asked, *, since: str | None, before: str | None) -> None:
    """Print how shares or means changed between two periods of one release, or two releases that share no interview."""
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
    print_head(answer, f"Change of the {measure_of(answer)} since {begin}, in {unit_of_differences(answer)}")
    print_groups(
        answer,
        ("before", "after", "change", "low", "high", "rise", ""),
        answer.changes,
        lambda one: (
            number_of(one.before),
            number_of(one.after),
            difference_of(answer, one.difference),
            difference_of(answer, one.low),
            difference_of(answer, one.high),
            percent(one.p_rise),
            one.words,
        ),
    )


@click.command(short_help="Shares or means over time.")
@asked
@click.option("--since", help="The first period. Default: the first of the model.")
@click.option("--until", help="The last period. Default: the last of the model.")
def trend(asked: Asked, *, since: str | None, until: str | None) -> None:
    """Print shares or means in every period of a model that has periods."""
    from api.trends import TrendQuery, answer_trend, prepare_trend

    query = asked.query(TrendQuery, since=since or None, until=until or None)
    answer = answer_trend(prepare_trend(asked.releases, asked.served, query, asked.settings), asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"{begin_with(what_of(answer))}, over time")
    print_groups(
        answer,
        ("period", answer.measure, "low", "high", "interviews"),
        answer.points,
        lambda one: (
            one.period,
            *number_cells(one),
            "" if one.n_interviews is None else f"{one.n_interviews:,}",
        ),
    )


@click.command(short_help="What a release says differently from an earlier one, and why.")
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
    what = f"{begin_with(what_of(answer))}, in {begin} and in this one, the difference in {unit_of_differences(answer)}"
    print_head(answer, what, has_intervals=False)
    click.echo(f"Cause: {', '.join(answer.causes)}.")
    for sentence in (*(one.text for one in answer.waves), *answer.reasons):
        click.echo(f"  {sentence}")
    print_groups(
        answer,
        ("before", "after", "difference", ""),
        answer.revisions,
        lambda one: (
            number_of(one.before),
            number_of(one.after),
            difference_of(answer, one.difference),
            "" if one.beyond_simulation else "within simulation error",
        ),
    )
