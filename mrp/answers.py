"""Which answers count: the options of a question are the denominator of a share, other answers only by declaration.

A column of answers seldom holds options alone: there are "Don't know" and "Refused". To count them as not having chosen
understates the share of every option, and nobody would see it, so that an answer that nobody declared is an error.
"""

import polars as pl

from mrp.errors import CountsError

__all__ = ["which_count"]

_SHOWN = 8


def which_count(
    answers: pl.Series, option: str, *, options: tuple[str, ...] | None = None, drop: tuple[str, ...] = ()
) -> pl.Series:
    """Which interviews are in the denominator.

    Parameters
    ----------
    answers
        Labels, or null: no answer to count; shape (interview,).
    option
        The option whose share is wanted.
    options
        The answers that count, ``option`` among them. An answer that is no option of the question but is in the
        denominator belongs here too, as "Don't know" does if shares are to be of all who were asked. None: ``option``
        and one other.
    drop
        Answers that do not count.

    Returns
    -------
    polars.Series
        Boolean without gaps, shape (interview,).

    Raises
    ------
    CountsError
        If answers are no labels; if ``option`` is none of them but for upper and lower case or blanks around it; if
        there are answers that are in neither ``options`` nor ``drop``, with all of them; or if the two contradict.
    """
    _require_lists(option, options, drop)
    if answers.dtype == pl.Null:
        return pl.repeat(False, len(answers), dtype=pl.Boolean, eager=True)
    if not isinstance(answers.dtype, pl.String | pl.Categorical | pl.Enum):
        raise CountsError(
            f"the answers in column {answers.name!r} are {answers.dtype}, not labels; "
            f"write them as text, with {option!r} for the option that is counted"
        )
    labels = answers.cast(pl.String)
    given = labels.drop_nulls().unique().sort().to_list()
    alike = [label for label in given if label.strip().casefold() == option.strip().casefold()]
    if alike and option not in given:
        raise CountsError(f"nobody answered {option!r} in column {answers.name!r}, but some {alike[0]!r}; spell it so")
    counted = options or tuple(dict.fromkeys((option, *(label for label in given if label not in drop))))
    if options is None and len(counted) > 2:
        raise CountsError(
            f"column {answers.name!r} has more answers than {option!r} and one other: {_listed(labels, given)}; write "
            "all that count as options=(...), the others as drop=(...)"
        )
    if unknown := [label for label in given if label not in (*counted, *drop)]:
        raise CountsError(
            f"column {answers.name!r} has answers that are in neither options nor drop: {_listed(labels, unknown)}; "
            f"write into options what is in the denominator of {option!r}, the others into drop"
        )
    return labels.is_in(list(counted)).fill_null(value=False)


def _require_lists(option: str, options: tuple[str, ...] | None, drop: tuple[str, ...]) -> None:
    for name, labels in (("options", options), ("drop", drop)):
        if isinstance(labels, str):
            raise CountsError(f"{name} must be a list of answers, got {labels!r}; write ({labels!r},)")
    if options is not None and option not in options:
        raise CountsError(
            f"{option!r} is not one of the options {', '.join(map(repr, options))}; add it, or spell it so"
        )
    if twice := [label for label in drop if label in (options or (option,))]:
        raise CountsError(f"{twice[0]!r} is in drop and is to be counted; leave it out of one of them")


def _listed(answers: pl.Series, labels: list[str]) -> str:
    """Labels with the number of interviews of each."""
    shown = [f"{label!r} ({(answers == label).sum():,})" for label in labels[:_SHOWN]]
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return f"{', '.join(shown)}{more}"
