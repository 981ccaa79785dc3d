"""What is wrong with a fit, in short sentences, the worst first, each with what to do about it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mrp.checks.misfit import GroupMisfit, MarginMisfit
from mrp.checks.told import told_size, told_strength
from mrp.design import Design
from mrp.formula import parse_formula
from mrp.latents import LatentDraws
from mrp.terms import OBSERVED

__all__ = ["Concern", "house_concerns", "misfit_concerns", "worst_first"]

GRAVE_CHANCE, GRAVE_SIZE = 1e-4, 0.03
"""A misfit is grave where chance would make it in one of 10,000 honest fits, and it is three points or more."""
LARGE_HOUSE, SURE = 0.05, 0.95
"""A pollster's house effect is named where it is five points or more with so much certainty."""
_CALLS = {"pollster": "house", "mode": "mode"}
_MOST_NAMED = 3

type Size = Callable[[float], str]
type Kind = Literal["misfit", "interaction", "house-effect", "prior-conflict", "weak-data", "held-out", "scores"]


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that is wrong with a fit, or that somebody should look at."""

    kind: Kind
    severity: Literal["grave", "notable"]
    columns: tuple[str, ...]
    """What it is about: columns of the counts, or the term of a model; empty: everybody."""
    levels: tuple[str, ...]
    """Where it is worst, a level for each column; empty if nowhere in particular."""
    size: float
    """How large it is, as a signed share where it is a difference of shares: observed minus predicted."""
    strength: float
    """What concerns are ordered by: minus the decimal logarithm of its chance, in few steps, or something as large."""
    sentence: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        """A value that ``json.dumps`` takes; the inverse of `from_json`."""
        return asdict(self) | {"columns": list(self.columns), "levels": list(self.levels)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Concern":
        """Read what `to_json` wrote."""
        return cls(**value | {"columns": tuple(value["columns"]), "levels": tuple(value["levels"])})


def worst_first(concerns: Sequence[Concern]) -> tuple[Concern, ...]:
    """Grave ones first, then by strength, then by size."""
    return tuple(
        sorted(concerns, key=lambda one: (one.severity != "grave", -one.strength, -abs(one.size), one.sentence))
    )


def misfit_concerns(
    misfits: Sequence[MarginMisfit],
    design: Design,
    *,
    names: Mapping[str, str] | None = None,
    size: Callable[[float], str] | None = None,
) -> tuple[Concern, ...]:
    """Say which margins the model does not describe, and what to add to it.

    Parameters
    ----------
    misfits
        What `mrp.checks.misfit.judge_margins` found.
    design
        Of the fit: advice depends on what is in the model already.
    names
        District code → what people call it.
    size
        Says how large a difference is, without its sign; default: in points of a share. See `mrp.checks.of_means`.
    """
    told = size or _size
    return worst_first([_of_margin(one, design, names or {}, told) for one in misfits if one.is_misfit])


def _of_margin(misfit: MarginMisfit, design: Design, names: Mapping[str, str], size: Size) -> Concern:
    columns = misfit.check.margin.columns
    largest = max((abs(_told(one)) for one in misfit.worst), default=misfit.typical)
    first = misfit.worst[0] if misfit.worst else None
    grave = misfit.log_chance < math.log(GRAVE_CHANCE) and largest >= GRAVE_SIZE
    return Concern(
        kind="interaction" if len(columns) > 1 else "misfit",
        severity="grave" if grave else "notable",
        columns=columns,
        levels=first.group.levels if first else (),
        size=round(_told(first) if first else misfit.typical, 2),
        strength=told_strength(first.z) if first else 2.0,
        sentence=_sentence(misfit, design, names, size, chance="far outside chance" if grave else "outside chance"),
        advice=_advice(columns, first.group.levels if first else (), design),
    )


def _sentence(misfit: MarginMisfit, design: Design, names: Mapping[str, str], size: Size, *, chance: str) -> str:
    columns = misfit.check.margin.columns
    named = misfit.worst[:_MOST_NAMED]
    if not columns:
        (one,) = named
        return (
            f"All interviews together are {_points(_told(one), size)} than the model expects, {chance}: something in "
            "the model holds it back."
        )
    if not named:
        return (
            f"Answers by {' and '.join(columns)} differ from what the model expects by more than chance, typically by "
            f"{size(misfit.typical)}, though no group by itself."
        )
    what = " and by ".join(columns)
    together = " beyond what each does by itself" if len(columns) > 1 else ""
    called = [
        tuple(
            f"{names[level]} ({level})" if column == design.district and names.get(level, level) != level else level
            for column, level in zip(columns, one.group.levels, strict=True)
        )
        for one in named
    ]
    first, *others = [
        f"{_group(columns, levels)} {_points(_told(one), size)}" for levels, one in zip(called, named, strict=True)
    ]
    more = f"; also {' and '.join(others)}" if others else ""
    left = len(misfit.worst) - len(named)
    rest = f", and {left} more" if left else ""
    return f"By {what}{together}, interviews do not fit the model: {first} than it expects, {chance}{more}{rest}."


def _advice(columns: tuple[str, ...], levels: tuple[str, ...], design: Design) -> str:
    terms = {frozenset(term.names): str(term) for term in parse_formula(design.formula).terms}
    own = terms.get(frozenset(columns))
    if not columns:
        return "look at the prior of the intercept, and at what the newest waves changed"
    column = columns[0]
    if column in _CALLS:
        look = f"hold {column} {levels[0]}'s waves back and look at them" if levels else "compare their waves"
        return look if own else f"{look}, or add {_CALLS[column]}({column}) to the model"
    if own:
        return f"widen the prior of {own}, or look for a wave that codes {' or '.join(columns)} in another way"
    if column == "period":
        return "add rw1(period) to the model, or shorten [time] window_days"
    return f"add (1|{':'.join(columns)}) to the model"


def house_concerns(
    latents: LatentDraws, design: Design, *, slope: float, size: Callable[[float], str] | None = None
) -> tuple[Concern, ...]:
    """Name the pollsters and modes whose effects, which the model takes out of every estimate, are large.

    Parameters
    ----------
    slope
        Share that an effect of one is worth: of a binary question about p (1 - p), with the share of the nation. Of
        means see `mrp.checks.of_means`.
    size
        As for `misfit_concerns`.
    """
    found = []
    for effect, offset in zip(design.effects, design.offsets, strict=True):
        if not effect.nuisance:
            continue
        column = effect.factors[0].key
        pulls = slope * latents.draws[:, offset : offset + effect.size].astype(np.float64)
        for level, pull in zip(effect.labels, pulls.T, strict=True):
            mean = float(pull.mean())
            sure = float(np.mean(np.sign(mean) * pull >= LARGE_HOUSE))
            if sure >= SURE:
                sentence = (
                    f"{_group((column,), (level,))} {_points(mean, size or _size)} than those of other {column}s "
                    "of the same people; the model takes that out of its estimates."
                )
                found.append(
                    Concern(
                        kind="house-effect",
                        severity="notable",
                        columns=(column,),
                        levels=(level,),
                        size=round(mean, 3),
                        # Below a misfit: it is dealt with.
                        strength=round(min(abs(mean) / max(float(pull.std()), 1e-6), 5.0), 1),
                        sentence=_capital(sentence),
                        advice=f"look at how {column} {level} asks, selects and reaches people",
                    )
                )
    return worst_first(found)


def _told(one: GroupMisfit) -> float:
    return told_size(one.z, one.sd)


def _group(columns: tuple[str, ...], levels: tuple[str, ...]) -> str:
    if len(columns) == 1 and columns[0] in OBSERVED:
        return f"{columns[0]} {levels[0]}'s interviews are"
    return " / ".join(f"{column} {level}" for column, level in zip(columns, levels, strict=True)) + " is"


def _points(difference: float, size: Size) -> str:
    return f"{size(abs(difference))} {'higher' if difference > 0 else 'lower'}"


def _size(share: float) -> str:
    """A size in whole points."""
    points = max(1, round(100 * share))
    return f"{points} point{'s' if points != 1 else ''}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
