"""Check declared totals beside the question, the other questions, the table of districts and the frame."""

from collections.abc import Sequence

import polars as pl

from polling.beyond import NATION, KnownTotals
from polling.bundle import SurveyBundle
from polling.declaration import Question
from polling.faults import FaultLog, did_you_mean, listing
from polling.toml_section import Section

__all__ = ["check_beyond", "check_totals_tables", "column_of"]

_OFF = 1e-6
"""By which totals of all options may miss 1."""
_NAMED = 3
"""Areas that a fault names, where it is of many."""


def check_beyond(question: Question, questions: Sequence[Question], section: Section) -> None:
    """Record what is wrong with known totals, and with the question that moves this one."""
    if question.known_totals is not None and question.kind in ("binary", "categorical"):
        _check_totals(question, question.known_totals, section.section("known_totals"))
    if question.moved_by is not None and question.kind == "binary":
        _check_moved_by(question, questions, section.section("moved_by"))


def check_totals_tables(question: Question, bundle: SurveyBundle, log: FaultLog) -> bool:
    """Record totals that the table of districts does not have, that cannot be, or of areas in which nobody lives.

    Returns
    -------
    bool
        Whether all are sound.
    """
    totals = question.known_totals
    if totals is None:
        return True
    key, district = f"questions.{question.id}.known_totals", bundle.declaration.geography.district
    if totals.by not in (district, NATION, *bundle.parents):
        kinds = (district, *bundle.parents, NATION)
        log.add("no kind of area", did_you_mean(totals.by, kinds), column=f"{key}.by", value=totals.by)
        return False
    sound = True
    for option, column in totals.shares.items():
        if isinstance(column, str) and column not in bundle.predictors:
            reason, remedy = "no numeric column of the districts", did_you_mean(column, bundle.predictors)
            log.add(reason, remedy, column=f"{key}.shares.{option}", value=column)
            sound = False
    return sound and _values_are_sound(question, totals, bundle, log, key) and _are_lived_in(totals, bundle, log, key)


def column_of(totals: KnownTotals, bundle: SurveyBundle) -> str | None:
    """Column of the districts with the areas; None: there is one, the nation."""
    if totals.by == NATION:
        return None
    return "code" if totals.by == bundle.declaration.geography.district else totals.by


def _check_totals(question: Question, totals: KnownTotals, section: Section) -> None:
    shares = section.section("shares", required=False)
    for option in totals.shares:
        if option not in question.options:
            shares.fault(option, f"'{option}' is not an option", did_you_mean(option, question.options))
        elif question.kind == "binary" and option != question.options[0]:
            reason = f"the estimate of a binary question is the share of its first option, '{question.options[0]}'"
            shares.fault(option, reason, f"Give the total of '{question.options[0]}'.")
    reported = totals.reported
    if question.kind != "binary" and reported and (reported.sensitivity, reported.specificity) != (1, 1):
        reason = "how often reports of several options are wrong cannot be said by two rates"
        section.fault("reported", reason, "Leave it out, and releases warn; or set both to 1 if every report is right.")


def _check_moved_by(question: Question, questions: Sequence[Question], section: Section) -> None:
    assert question.moved_by is not None
    name = question.moved_by.question
    others = {one.id: one for one in questions if one.id != question.id}
    known = [one.id for one in others.values() if one.known_totals is not None]
    if question.known_totals is not None:
        reason = "the question has known totals of its own, which it meets"
        section.fault(None, reason, "Keep known_totals or moved_by.")
    if name not in others:
        section.fault("question", "no such question", did_you_mean(name, known), value=name)
    elif others[name].known_totals is None:
        reason = f"nothing is known of '{name}'"
        section.fault("question", reason, f"Declare [questions.{name}.known_totals].", value=name)
    elif others[name].kind != "binary":
        reason = f"only binary questions are fitted together, and '{name}' is {others[name].kind}"
        section.fault("question", reason, "Make it binary, or remove moved_by.", value=name)
    elif others[name].known_totals.by == NATION:  # type: ignore[union-attr]
        reason = f"the totals of '{name}' are of the nation, and only effects of areas move along"
        section.fault("question", reason, "Give totals of districts, or of areas above them.", value=name)


def _values_are_sound(question: Question, totals: KnownTotals, bundle: SurveyBundle, log: FaultLog, key: str) -> bool:
    districts, areas, sound = bundle.districts, column_of(totals, bundle), True
    area = districts[areas] if areas else pl.Series([NATION] * districts.height)
    for option, column in totals.shares.items():
        if not isinstance(column, str):
            continue
        values = districts[column]
        for name, of in districts.group_by(area.alias("area"), maintain_order=True):
            if of[column].n_unique() > 1:
                reason = f"districts of {name[0]} have different totals in it"
                remedy = f"Give all districts of one {totals.by} its total."
                log.add(reason, remedy, column=f"{key}.shares.{option}", value=column)
                sound = False
                break
        wrong = ~values.is_between(0, 1, closed="none")
        if option in question.only_in:  # where it does not stand, nobody chose it
            wrong &= values != 0
        if wrong.any():
            at = int(wrong.arg_max() or 0)
            reason = f"the total of district '{districts['code'][at]}' must be above 0 and below 1"
            remedy = "Correct the column; 52% are 0.52."
            log.add(reason, remedy, column=f"{key}.shares.{option}", value=str(values[at]))
            sound = False
    return sound and _sums_are_sound(question, totals, bundle, log, key)


def _are_lived_in(totals: KnownTotals, bundle: SurveyBundle, log: FaultLog, key: str) -> bool:
    """Shares of nobody cannot be met, so that every fit would fail."""
    declared, areas = bundle.declaration, column_of(totals, bundle)
    if areas is None:
        return True  # a frame without people is refused already
    people = bundle.frame.group_by(pl.col(declared.geography.district).alias("code")).agg(pl.col("n_people").sum())
    of_area = bundle.districts.select("code", pl.col(areas).alias("area")).join(people, on="code", how="left")
    empty = of_area.group_by("area").agg(pl.col("n_people").sum()).filter(pl.col("n_people") <= 0)["area"].sort()
    if empty.is_empty():
        return True
    places = listing((f"'{area}'" for area in empty), most=_NAMED)
    reason = f"nobody lives in {places} by the frame, of which a total is declared"
    remedy = (
        f"Correct the counts in {declared.frame_file}, remove these districts from both tables, or give totals by a "
        "larger area in which people live."
    )
    log.add(reason, remedy, column=f"{key}.by", value=totals.by)
    return False


def _sums_are_sound(question: Question, totals: KnownTotals, bundle: SurveyBundle, log: FaultLog, key: str) -> bool:
    if question.kind == "binary":
        return True
    parts = [pl.col(one) if isinstance(one, str) else pl.lit(one) for one in totals.shares.values()]
    sums = bundle.districts.select(pl.sum_horizontal(parts).alias("sum"))["sum"]
    missing = [option for option in question.options if option not in totals.shares]
    wrong = (sums >= 1) if missing else ((sums - 1).abs() > _OFF)
    if not wrong.any():
        return True
    at = int(wrong.arg_max() or 0)
    must = f"less than 1, as there is no total of {listing(missing)}" if missing else "1"
    reason = f"the totals of district '{bundle.districts['code'][at]}' sum to {sums[at]:.6g}, and must sum to {must}"
    log.add(reason, "Correct the columns.", column=f"{key}.shares")
    return False
