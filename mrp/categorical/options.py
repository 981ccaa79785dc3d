"""What can be chosen, where, and what is known of each option beforehand.

Options may have columns in the table of districts, such as each party's share of the last result. A formula reads them
by the name that the declaration gives to all of them together:

``own(past)``          one coefficient, the same for all options, of the option's own value
``own(log(past))``     the same of its logarithm
``offset(log(past))``  its logarithm, with the coefficient 1: without anything else in the model opinion is as it was

Of such a value only differences between the options of a district matter: values are centred over the options that
stand there, and those of a coefficient are scaled by their standard deviation over people and options.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mrp.electorate import Electorate
from mrp.errors import FormulaError, FrameError

__all__ = ["Options", "OwnPredictor", "OwnTerm", "code_offset", "code_own", "standing", "take_own_terms"]

type Floats = NDArray[np.float64]

_TERM = re.compile(r"(own|offset)\(\s*(?:(log)\(\s*([^()]*?)\s*\)|([^()]*?))\s*\)")
# A '+' that is not inside parentheses, of which own(log(x)) has two pairs.
_PLUS = re.compile(r"\+(?![^(]*\))")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a question, declared.

    Raises
    ------
    FrameError
        If there are fewer than two, a label occurs twice, or something is declared of an option that is none.
    """

    labels: tuple[str, ...]
    """In the order in which they are to be shown; nothing else depends on it."""
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name → option → column of the districts, e.g. {"past": {"Labour": "labour_2012", "Green": "green_2012"}}. Every
    option needs a column wherever it stands; two may share one."""
    only_in: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Option that does not stand everywhere → where it does: {"SNP": {"country": ("Scotland",)}}, by levels of a parent
    area, or codes of the district column."""

    def __post_init__(self) -> None:
        if isinstance(self.labels, str):
            raise FrameError(f"options must be a list, got {self.labels!r}; write ({self.labels!r},)")
        if len(self.labels) < 2:
            raise FrameError(f"a question needs two options or more, got {len(self.labels)}")
        if twice := [label for i, label in enumerate(self.labels) if label in self.labels[:i]]:
            raise FrameError(f"option {twice[0]!r} occurs more than once; keep one")
        for option in (*(one for of in self.columns.values() for one in of), *self.only_in):
            if option not in self.labels:
                raise FrameError(f"{option!r} is not one of the options {', '.join(self.labels)}")


@dataclass(frozen=True, slots=True)
class OwnTerm:
    """A term of a formula that reads each option's own column."""

    call: str
    """"own" or "offset"."""
    name: str
    log: bool

    def __str__(self) -> str:
        return f"{self.call}(log({self.name}))" if self.log else f"{self.call}({self.name})"


@dataclass(frozen=True, slots=True)
class OwnPredictor:
    """How the value of each option is read from the district of a cell."""

    term: str
    """E.g. "own(log(past))"."""
    values: Floats
    """Coded, summing to zero over the options that stand, 0 for the others; shape (district, option)."""
    scale: float
    """Standard deviation over people and options, in the predictor's own unit or that of its logarithm."""


def take_own_terms(formula: str) -> tuple[str, tuple[OwnTerm, ...]]:
    """Split a formula into what every model may have and the terms of the options' own columns.

    Returns
    -------
    rest
        The formula without them, "1" if nothing is left.
    terms
        In the order written.

    Raises
    ------
    FormulaError
        If such a term is written twice, or in a way that is not understood.
    """
    rest, terms = [], list[OwnTerm]()
    for part in (one.strip() for one in _PLUS.split(formula)):
        if not re.match(r"(own|offset)\s*\(", part):
            rest.append(part)
            continue
        read = _TERM.fullmatch(part)
        if read is None or (read[1] == "offset" and not read[2]):
            understood = "own(x), own(log(x)) and offset(log(x))"
            raise FormulaError(formula, (f"{part!r} is not understood; of an option's own columns {understood} are",))
        term = OwnTerm(read[1], read[3] or read[4] or "", bool(read[2]))
        if term in terms:
            raise FormulaError(formula, (f"{term} is there twice; keep one",))
        terms.append(term)
    return " + ".join(rest) or "1", tuple(terms)


def standing(options: Options, electorate: Electorate) -> NDArray[np.bool_]:
    """Which options can be chosen in which district, shape (district, option); districts by code, sorted.

    Raises
    ------
    FrameError
        If a level or column of ``only_in`` is unknown, or fewer than two options stand somewhere.
    """
    stands = np.ones((len(electorate.codes), len(options.labels)), dtype=np.bool_)
    districts = electorate.districts.sort("code")
    for option, where in options.only_in.items():
        for column, levels in where.items():
            if column != electorate.district and column not in electorate.parents:
                areas = ", ".join((electorate.district, *electorate.parents))
                raise FrameError(f"{option} stands only in some {column!r}, which is no kind of area; use {areas}")
            known = electorate.levels(column)
            if unknown := [level for level in levels if level not in known]:
                shown = ", ".join(known[:8])
                raise FrameError(f"{option} stands only in {column} {unknown[0]!r}, which is not one of {shown}")
            of_district = districts["code" if column == electorate.district else column]
            stands[:, options.labels.index(option)] &= of_district.is_in(list(levels)).to_numpy()
    if (few := stands.sum(axis=1) < 2).any():
        raise FrameError(f"fewer than two options stand in district {electorate.codes[int(np.argmax(few))]}")
    return stands


def code_own(term: OwnTerm, options: Options, electorate: Electorate) -> OwnPredictor:
    """Code a term with a coefficient.

    Raises
    ------
    FormulaError
        If it cannot be read of every option where it stands, or says the same of all.
    """
    stands = standing(options, electorate)
    values = _centred(_values(term, options, electorate, stands), stands)
    people = dict(electorate.frame.group_by(electorate.district).agg(pl.col("n_people").sum()).iter_rows())
    weight = np.array([people.get(code, 0.0) for code in electorate.codes])[:, None] * stands
    scale = float(np.sqrt((weight * values**2).sum() / weight.sum()))
    if not scale > 1e-9:
        raise FormulaError(str(term), (f"{term.name} is the same for all options in every district",))
    return OwnPredictor(str(term), values / scale, scale)


def code_offset(terms: tuple[OwnTerm, ...], options: Options, electorate: Electorate) -> Floats:
    """What is added to the linear predictor: sum of the offsets; minus infinity where an option does not stand.

    Shape (district, option).
    """
    stands = standing(options, electorate)
    total = np.zeros(stands.shape)
    for term in terms:
        total += _centred(_values(term, options, electorate, stands), stands)
    return np.where(stands, total, -np.inf)


def _centred(values: Floats, stands: NDArray[np.bool_]) -> Floats:
    mean = (values * stands).sum(axis=1) / stands.sum(axis=1)
    return np.where(stands, values - mean[:, None], 0.0)


def _values(term: OwnTerm, options: Options, electorate: Electorate, stands: NDArray[np.bool_]) -> Floats:
    """The columns as they are, or their logarithms; 0 where an option does not stand."""

    def refused(reason: str) -> FormulaError:
        return FormulaError(str(term), (reason,))

    if term.name not in options.columns:
        known = ", ".join(options.columns) or "none"
        raise refused(f"no columns of the options are declared as {term.name!r}; declared are {known}")
    columns = options.columns[term.name]
    districts = electorate.districts.sort("code")
    values = np.zeros(stands.shape)
    for k, option in enumerate(options.labels):
        if option not in columns:
            if stands[:, k].any():
                raise refused(f"option {option} has no column for {term.name}; declare one, if need be a shared one")
            continue
        if columns[option] not in electorate.predictors:
            known = ", ".join(electorate.predictors) or "none"
            raise refused(f"{columns[option]!r} of {option} is no numeric column of the districts; there are {known}")
        own = districts[columns[option]].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        usable = np.isfinite(own) & ((own > 0) | (not term.log))
        if (wrong := stands[:, k] & ~usable).any():
            at = int(np.argmax(wrong))
            needed = "a logarithm needs a number above 0" if term.log else "a number is needed"
            raise refused(
                f"{columns[option]} of {option} is {own[at]:g} in {electorate.codes[at]}, where it stands; {needed}"
            )
        here = stands[:, k]
        values[here, k] = np.log(own[here]) if term.log else own[here]
    return values
