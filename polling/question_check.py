"""Check that the keys of one question make sense together, and beside the table of districts."""

import re
from dataclasses import replace

import polars as pl

from polling.bundle import SurveyBundle
from polling.declaration import Question
from polling.faults import FaultLog, did_you_mean, listing
from polling.question_toml import KEYS_OF_KINDS, KINDS
from polling.toml_section import Section

__all__ = ["SILENT", "check_question", "check_question_tables", "for_its_formula"]

SILENT = ("dont_know", "refused", "not_asked")
"""What an interview can say of a question without answering it."""


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OF_WAVES = ("period", "pollster", "mode")


def check_question(question: Question, section: Section) -> None:
    """Record what is wrong with options, base and the keys of its kind. (Labels are checked with all others.)"""
    if section.maybe_text("kind") not in KINDS:
        return  # of no kind, it cannot be said what belongs to it
    _check_options(question, section)
    _check_base(question, section)
    for key, kinds in KEYS_OF_KINDS.items():
        if key in section.names() and question.kind not in kinds:
            reason = f"'{key}' is a key of {' and '.join(kinds)} questions, this one is {question.kind}"
            section.fault(key, reason, "Remove it, or correct the kind.")
    if question.kind == "categorical":
        _check_own_columns(question, section.section("columns", required=False))
        _check_only_in(question, section.section("only_in", required=False))
    if question.kind == "ordinal":
        _check_scores(question, section)
    if question.dispersion and question.weights == "likelihood":
        reason = "weights make fractional answers, and over-dispersed ones have to be whole"
        section.fault("dispersion", reason, 'Leave out dispersion, or weights = "likelihood".')


def for_its_formula(question: Question) -> Question:
    """A question whose options and what belongs to them are in order, so that its formula is looked at by itself.

    What `check_question` records would be a fault of the formula once more. A question without faults stays as it is.
    """
    options = question.options
    if question.kind != "numeric" and (len(options) < 2 or (question.kind == "binary" and len(options) != 2)):
        options = ("yes", "no")
    scores = question.scores if len(question.scores) == len(options) else ()
    columns = {
        name: {option: of[option] for option in options if option in of} for name, of in question.own_columns.items()
    }
    standing = {
        option: where
        for option, where in question.only_in.items()
        if option in options and where and all(where.values())
    }
    is_weighted_too = question.weights == "likelihood"
    return replace(
        question,
        options=options if question.kind != "numeric" else (),
        scores=scores,
        own_columns=columns,
        only_in=standing,
        dispersion=question.dispersion and not is_weighted_too,
    )


def check_question_tables(question: Question, bundle: SurveyBundle, log: FaultLog) -> Question | None:
    """Record columns and areas that the table of districts does not have.

    Returns
    -------
    Question or None
        The question as its formula is to be looked at, without what is recorded here; None if its options lack columns.
    """
    key = f"questions.{question.id}"
    sound = all(option in of for of in question.own_columns.values() for option in question.options)
    for name, of in question.own_columns.items():
        for option, column in of.items():
            if column not in bundle.predictors:
                reason, remedy = "no numeric column of the districts", did_you_mean(column, bundle.predictors)
                log.add(reason, remedy, column=f"{key}.columns.{name}.{option}", value=column)
                sound = False
    if not _check_standing(question, bundle, log):
        question = replace(question, only_in={})
    return question if sound else None


def _check_standing(question: Question, bundle: SurveyBundle, log: FaultLog) -> bool:
    """Whether the areas in which options stand are there, and two options or more stand in every district."""
    key, sound, districts = f"questions.{question.id}.only_in", True, bundle.districts
    n_standing = pl.Series([len(question.options)] * districts.height)
    district = bundle.declaration.geography.district
    for option, where in question.only_in.items():
        stands = pl.Series([True] * districts.height)
        for kind, areas in where.items():
            if kind != district and kind not in bundle.parents:
                reason, remedy = "no kind of area", did_you_mean(kind, (district, *bundle.parents))
                log.add(reason, remedy, column=f"{key}.{option}.{kind}", value=kind)
                sound = False
                continue
            of_district = districts["code" if kind == district else kind]
            stands &= of_district.is_in(list(areas))
            known = of_district.unique().sort().to_list()
            for area in areas:
                if area not in known:
                    reason, remedy = f"there is no such {kind}", did_you_mean(area, known)
                    log.add(reason, remedy, column=f"{key}.{option}.{kind}", value=area)
                    sound = False
        n_standing -= (~stands).cast(pl.Int64)
    if sound and question.options and (few := districts.filter(n_standing < 2)).height:
        reason = f"fewer than two options stand in {listing(few['code'].to_list())}"
        log.add(reason, "Let another option stand there: with one alone there is nothing to choose.", column=key)
        sound = False
    return sound


def _check_options(question: Question, section: Section) -> None:
    if question.kind == "numeric":
        if question.options or question.recode:
            section.fault("options", "a numeric question has no options", "Remove options and recode.")
    elif not question.options:
        section.fault("options", "no options are declared", 'List them: options = ["...", "..."].')
    elif question.kind == "binary" and len(question.options) != 2:
        reason = f"a binary question has 2 options, here are {len(question.options)}"
        section.fault("options", reason, 'Recode to two options, or use kind = "categorical".')
    elif len(question.options) < 2:
        section.fault("options", f"a {question.kind} question needs 2 options or more", "Declare the others.")


def _check_base(question: Question, section: Section) -> None:
    """Whoever is in the base without an answer can be told by a label, and has not chosen the option."""
    if question.base == ("answered",):
        return
    if "answered" not in question.base:
        section.fault("base", "the base leaves out those who answered", 'Begin with base = ["answered", ...].')
    if question.kind == "categorical":
        reason = "shares of several options add up to 1, so that whoever is counted has chosen one"
        section.fault("base", reason, 'Remove base, and declare "Don\'t know" and the like as options.')
        return
    if question.kind != "binary":
        reason = f"only answers to a question of kind {question.kind} can be counted"
        section.fault("base", reason, 'Remove base, or use kind = "categorical".')
        return
    for status in question.base:
        if status == "answered":
            continue
        if status not in SILENT:
            hint = did_you_mean(status, ("answered", *SILENT))
            section.fault("base", "this is nothing that an interview can say", hint, value=status)
        elif not getattr(question, status):
            reason = f"the base counts {status}, but no label means it"
            section.fault("base", reason, f"Declare the labels: {status} = [...].")
        elif status in question.options:
            section.fault("base", f"'{status}' is an option already", "A word has one meaning: rename the option.")


def _check_own_columns(question: Question, columns: Section) -> None:
    for name, of in question.own_columns.items():
        section = columns.section(name)
        if not _NAME.fullmatch(name) or name in _OF_WAVES:
            columns.fault(name, "this name cannot stand in a formula", "Use another, such as past.", value=name)
        strange = {option: did_you_mean(option, question.options) for option in of if option not in question.options}
        for option, remedy in strange.items():
            section.fault(option, f"'{option}' is not an option", remedy)
        # An option that is only misspelt has its column.
        meant = [option for option in question.options if any(f"'{option}'" in one for one in strange.values())]
        if missing := [option for option in question.options if option not in (*of, *meant)]:
            reason = f"{listing(missing)} {'has' if len(missing) == 1 else 'have'} no column"
            columns.fault(name, reason, "Name a column of the districts for every option; two may share one.")


def _check_only_in(question: Question, only_in: Section) -> None:
    for option, where in question.only_in.items():
        section = only_in.section(option)
        if option not in question.options:
            only_in.fault(option, f"'{option}' is not an option", did_you_mean(option, question.options))
        if not where:
            remedy = 'Name a kind of area and list them, such as country = ["Scotland"].'
            only_in.fault(option, f"nothing says where '{option}' stands", remedy)
        for kind, areas in where.items():
            if not areas:
                section.fault(kind, f"'{option}' stands nowhere", "List the areas, or remove the option.")


def _check_scores(question: Question, section: Section) -> None:
    scores = question.scores
    if scores and len(scores) != len(question.options):
        reason = f"there are {len(scores)} scores for {len(question.options)} options"
        section.fault("scores", reason, "Give every option one, in the order of options.")
    elif scores and len(set(scores)) == 1:
        section.fault("scores", "every option has the same score", "A mean of these says nothing: tell them apart.")
    elif scores and sorted(scores) not in (list(scores), list(scores[::-1])):
        told = ", ".join(f"'{option}' {score:g}" for option, score in zip(question.options, scores, strict=True))
        reason = f"the options are in order, and their scores go up and down: {told}"
        section.fault("scores", reason, "Let scores rise or fall along the options, or put the options in their order.")
