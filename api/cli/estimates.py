"""``hustings estimates``: print estimates by area and group."""

import click

from api.cli.asked import Asked, asked, flags_text, number_cells, print_groups, print_head

__all__ = ["estimates"]


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
    several = answer.option is None
    print_head(answer, "Shares" if several else f"Share of '{answer.option}'")
    print_groups(
        answer,
        (*(("option",) if several else ()), "share", "low", "high", "people", "interviews", ""),
        answer.estimates,
        lambda one: (
            *((one.option,) if several else ()),
            *number_cells(one),
            f"{one.n_people:,.0f}",
            "" if one.n_interviews is None else f"{one.n_interviews:,}",
            flags_text(one),
        ),
    )
