"""``hustings estimates``: print estimates by area and group."""

import click

from api.cli.asked import Asked, asked, flags_text, number_cells, print_groups, print_head
from api.cli.output import percent

__all__ = ["estimates"]

TOTAL = ("total low", "total high")
"""Columns of the interval with the systematic error."""


@click.command(short_help="Print estimates by area and group.")
@asked
def estimates(asked: Asked) -> None:
    """Print estimates from the stored draws of a release: the same numbers as the HTTP interface."""
    from api.estimates import answer_query
    from api.group_query import EstimateQuery, prepare_estimates

    query = asked.query(EstimateQuery)
    answer = answer_query(prepare_estimates(asked.releases, asked.served, query, asked.settings), asked.settings)
    if asked.print_json(answer):
        return
    several, two = answer.option is None, answer.systematic_error is not None
    print_head(answer, "Shares" if several else f"Share of '{answer.option}'")
    print_groups(
        answer,
        (*(("option",) if several else ()), "share", "low", "high", *TOTAL[: 2 * two], "people", "interviews", ""),
        answer.estimates,
        lambda one: (
            *((one.option,) if several else ()),
            *number_cells(one),
            *(("" if end is None else percent(end) for end in (one.total_low, one.total_high)) if two else ()),
            f"{one.n_people:,.0f}",
            "" if one.n_interviews is None else f"{one.n_interviews:,}",
            flags_text(one),
        ),
    )
