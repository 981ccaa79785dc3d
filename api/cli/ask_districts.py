"""``hustings ask district``, ``seats`` and ``battleground``: what is asked of districts."""

import click

from api.cli.asked import (
    Asked,
    asked,
    begin_with,
    difference_of,
    flags_text,
    number_cells,
    print_groups,
    print_head,
    print_withheld,
    what_of,
)
from api.cli.output import percent, print_table

__all__ = ["battleground", "district", "seats"]

MOST_TIPPING = 10


@click.command(short_help="Everything about one district.")
@asked
@click.argument("district")
def district(asked: Asked, *, district: str) -> None:
    """Print estimate, rank and chance to lead of one district, how much of it is data, and the groups within it."""
    from api.district_profile import ProfileQuery, answer_profile, prepare_profile

    query = asked.query(ProfileQuery, district=district)
    prepared = prepare_profile(asked.releases, asked.served, query, asked.settings)
    answer = answer_profile(prepared, asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"{begin_with(what_of(answer))}, in {answer.name} ({answer.code})")
    if (one := answer.district) is not None:
        shown = [
            (answer.measure, "{}, {} to {}".format(*number_cells(one))),
            *([] if one.p_lead is None else [("leads", percent(one.p_lead))]),
            ("rank", f"{one.rank:.1f} of {one.n_ranked}, {one.rank_low:g} to {one.rank_high:g}"),
            ("interviews", "not shown" if one.n_interviews is None else f"{one.n_interviews:,}"),
            ("effective interviews", "not shown" if one.n_effective is None else f"{one.n_effective:,.0f}"),
            ("worth interviews", "any number" if one.n_equivalent is None else f"{one.n_equivalent:,.0f}"),
            ("borrowed", "not shown" if one.pooling is None else percent(one.pooling)),
        ]
        print_table(("", ""), [*answer.parents.items(), *shown])
    names = tuple(dict.fromkeys(name for group in answer.groups for name in group.groups))
    print_table(
        (*names, answer.measure, "low", "high", ""),
        [(*(one.groups.get(name) for name in names), *number_cells(one), flags_text(one)) for one in answer.groups],
    )
    print_withheld(answer.withheld)


@click.command(short_help="Seats that either option wins.")
@asked
@click.option("--seats", help="Predictor of the districts that is their number of seats. Default: one each.")
def seats(asked: Asked, *, seats: str | None) -> None:
    """Print how many districts either option wins, and which districts tip the majority: now, not a forecast."""
    from api.seats import SeatsQuery, answer_seats, prepare_seats

    query = asked.query(SeatsQuery, seats=seats or None)
    answer = answer_seats(prepare_seats(asked.releases, asked.served, query, asked.settings), asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"Seats of {answer.n_seats:,} by plurality, an estimate of now")
    print_table(
        ("option", "seats", "low", "high", "majority", "most"),
        [
            (
                one.option,
                f"{one.seats:.1f}",
                f"{one.low:g}",
                f"{one.high:g}",
                percent(one.p_majority),
                percent(one.p_most),
            )
            for one in answer.options
        ],
    )
    if answer.tipping:
        print_table(
            ("area", "name", "tips"),
            [(one.area, one.area_name, percent(one.probability)) for one in answer.tipping[:MOST_TIPPING]],
        )
    print_withheld(answer.withheld)


@click.command(short_help="Districts from the closest on.")
@asked
@click.option("--seats", help="Predictor of the districts that is their number of seats. Default: one each.")
def battleground(asked: Asked, *, seats: str | None) -> None:
    """Print districts from the closest to the safest: chance to win, lead in points, chance to tip the majority."""
    from api.seats import BattlegroundQuery, answer_battleground, prepare_seats

    query = asked.query(BattlegroundQuery, seats=seats or None)
    answer = answer_battleground(prepare_seats(asked.releases, asked.served, query, asked.settings), asked.settings)
    if asked.print_json(answer):
        return
    print_head(answer, f"'{answer.option}' against '{answer.versus}', leads in points")
    print_groups(
        answer,
        ("wins", "lead", "low", "high", "tips", "share", ""),
        answer.districts,
        lambda one: (
            percent(one.p_win),
            difference_of(answer, one.lead),
            difference_of(answer, one.lead_low),
            difference_of(answer, one.lead_high),
            percent(one.p_tipping),
            percent(one.share),
            flags_text(one),
        ),
    )
