"""The steps of a recipe for a frame, as they are written in ``[[steps]]``.

==============  =======================================================================================================
do              keys
==============  =======================================================================================================
count           ``table`` of records, or of cells, which are taken as they are; ``thin``: cells of fewer effective
                records are named (30)
rake            ``margins``; ``seed``, a table of the association (none: the frame so far, or ones); ``proportions``,
                those of the margins of which only the association counts; ``rounding`` of the numbers (0.5)
product         ``tables``, two, or one that is joined to the frame so far; ``rounding``
model           ``interviews``, ``variable``, ``formula``; ``margins`` of the variable, ``proportions`` as for rake,
                ``drop``, answers of the interviews that do not count, ``seed``
extend          the same, and ``draws`` (20); nothing but checks may follow
merge           ``column``, ``into.NEW = [old, ...]``
split           ``column``, ``level``, ``into.NEW = share`` or ``shares``, a table
districts       ``crosswalk``, a table by old and new
grow            ``totals``, tables; ``rounding``
interpolate     ``with``, a table of cells; dates ``from`` (of the frame so far), ``to`` (of the table), ``at``; ``how``
check           ``table`` that has some of the columns together
==============  =======================================================================================================
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from polling.faults import did_you_mean
from polling.toml_section import Section

__all__ = [
    "Check",
    "Count",
    "Districts",
    "Grow",
    "Interpolate",
    "Merge",
    "Model",
    "Product",
    "Rake",
    "Split",
    "Step",
    "parse_step",
]

_ROUNDING = 0.5


@dataclass(frozen=True, slots=True)
class Count:
    table: str
    thin: float = 30.0


@dataclass(frozen=True, slots=True)
class Rake:
    margins: tuple[str, ...]
    seed: str | None = None
    proportions: tuple[str, ...] = ()
    rounding: float = _ROUNDING


@dataclass(frozen=True, slots=True)
class Product:
    tables: tuple[str, ...]
    rounding: float = _ROUNDING


@dataclass(frozen=True, slots=True)
class Model:
    """Both "model" (``draws`` 0: one frame) and "extend"."""

    interviews: str
    variable: str
    formula: str
    margins: tuple[str, ...] = ()
    proportions: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    seed: int = 1
    draws: int = 0


@dataclass(frozen=True, slots=True)
class Merge:
    column: str
    into: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Split:
    column: str
    level: str
    shares: str | None = None
    """A table, or None: ``into``."""
    into: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Districts:
    crosswalk: str


@dataclass(frozen=True, slots=True)
class Grow:
    totals: tuple[str, ...]
    rounding: float = _ROUNDING


@dataclass(frozen=True, slots=True)
class Interpolate:
    other: str
    dates: tuple[dt.date, dt.date]
    at: dt.date
    how: str = "linear"


@dataclass(frozen=True, slots=True)
class Check:
    table: str


type Step = Count | Rake | Product | Model | Merge | Split | Districts | Grow | Interpolate | Check


def parse_step(section: Section) -> Step | None:
    """Read one step; None after recording what is wrong with it."""
    name = section.text("do")
    if name not in _READERS:
        if name:
            section.fault("do", "there is no such step", did_you_mean(name, _READERS), value=name)
        return None
    step = _READERS[name](section)
    section.close()
    return step


def _needed(section: Section, key: str) -> tuple[str, ...]:
    """A list that must be there."""
    found = section.texts(key)
    if not found:
        section.fault(key, f"'{key}' is missing", f'Name tables: {key} = ["..."].')
    return found or ()


def _rounding(section: Section) -> float:
    return section.number("rounding") or _ROUNDING


def _count(section: Section) -> Count:
    return Count(section.text("table"), section.number("thin") or 30.0)


def _proportions(section: Section, margins: tuple[str, ...]) -> tuple[str, ...]:
    proportions = section.texts("proportions") or ()
    for name in proportions:
        if name not in margins:
            section.fault("proportions", "not one of the margins", did_you_mean(name, margins), value=name)
    return proportions


def _rake(section: Section) -> Rake:
    margins = _needed(section, "margins")
    return Rake(margins, section.maybe_text("seed"), _proportions(section, margins), _rounding(section))


def _product(section: Section) -> Product:
    return Product(_needed(section, "tables"), _rounding(section))


def _model(section: Section) -> Model:
    margins = section.texts("margins") or ()
    return Model(
        section.text("interviews"),
        section.text("variable"),
        section.text("formula"),
        margins,
        _proportions(section, margins),
        section.texts("drop") or (),
        section.positive("seed") or 1,
    )


def _extend(section: Section) -> Model:
    one = _model(section)
    draws = section.positive("draws") or 20
    return replace(one, draws=draws)


def _merge(section: Section) -> Merge:
    column, into = section.text("column"), section.section("into")
    return Merge(column, {new: into.texts(new) or () for new in into.names()})


def _split(section: Section) -> Split:
    column, level, shares = section.text("column"), section.text("level"), section.maybe_text("shares")
    into = section.section("into", required=False)
    given = {new: into.number(new) or 0.0 for new in into.names()}
    if bool(shares) == bool(given):
        section.fault("into", "the shares of the parts are given twice, or not at all", "Give either into or shares.")
    return Split(column, level, shares, given)


def _districts(section: Section) -> Districts:
    return Districts(section.text("crosswalk"))


def _grow(section: Section) -> Grow:
    return Grow(_needed(section, "totals"), _rounding(section))


def _interpolate(section: Section) -> Interpolate | None:
    other = section.text("with")
    how = section.choice("how", ("linear", "exponential"), "linear")
    dates = {}
    for key in ("from", "to", "at"):
        found = section.date(key)
        if found is None:
            section.fault(key, f"the date '{key}' is missing", f"Write it as {key} = 2021-03-21, without quotes.")
        else:
            dates[key] = found
    return Interpolate(other, (dates["from"], dates["to"]), dates["at"], how) if len(dates) == 3 else None


def _check(section: Section) -> Check:
    return Check(section.text("table"))


_READERS: Mapping[str, Callable[[Section], Step | None]] = {
    "count": _count,
    "rake": _rake,
    "product": _product,
    "model": _model,
    "extend": _extend,
    "merge": _merge,
    "split": _split,
    "districts": _districts,
    "grow": _grow,
    "interpolate": _interpolate,
    "check": _check,
}
