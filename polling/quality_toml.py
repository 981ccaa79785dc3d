"""Read and check ``[quality]`` of a survey declaration; the keys are documented in ``polling.quality_limits``."""

import re
from typing import TYPE_CHECKING, Any

from polling.faults import did_you_mean
from polling.quality_limits import LIMITS, Quality
from polling.toml_section import Section

if TYPE_CHECKING:
    from polling.declaration import SurveyDeclaration

__all__ = ["check_quality", "parse_quality"]

LEAST_BATTERY = 3
_PAIR = re.compile(r"""\s*([A-Za-z0-9_-]+)\s*=\s*('[^']*'|"[^"]*")\s*""")
_AND = re.compile(r"and\b", re.IGNORECASE)
_RATIOS = ("weight_ratio", "design_effect")


def parse_quality(section: Section) -> Quality:
    """The limits of a survey, defaults where it says nothing."""
    given: dict[str, Any] = {}
    for name in LIMITS:
        if section.is_false(name):
            given[name] = None
        elif (limit := section.number(name)) is not None:
            given[name] = limit
            if name not in _RATIOS and limit > 1:
                section.fault(name, f"'{name}' is a share, at most 1", "Write 5% as 0.05.", value=limit)
    for name in ("fast_share", "fast_seconds", "house_sd", "error_sd"):
        if (number := section.number(name)) is not None:
            given[name] = number
    batteries = section.section("batteries", required=False)
    given["batteries"] = {name: batteries.texts(name) or () for name in batteries.names()}
    combinations = []
    for text in section.texts("impossible") or ():
        if (pairs := _pairs(text)) is None:
            reason = "this is no combination of two or more levels"
            section.fault("impossible", reason, "Write \"age = '18-29' and status = 'pensioner'\".", value=text)
        else:
            combinations.append(pairs)
    section.close()
    return Quality(**given, impossible=tuple(combinations))


def check_quality(declaration: "SurveyDeclaration", root: Section) -> None:
    """Batteries and combinations name what the survey has."""
    section = root.section("quality", required=False)
    questions = {question.id: question for question in declaration.questions}
    batteries = section.section("batteries", required=False)
    for name, ids in declaration.quality.batteries.items():
        if unknown := [one for one in ids if one not in questions]:
            batteries.fault(name, f"there is no question '{unknown[0]}'", did_you_mean(unknown[0], questions))
        elif len(ids) < LEAST_BATTERY:
            batteries.fault(name, f"a battery has {LEAST_BATTERY} questions or more", "Name them, or leave it out.")
        elif len({questions[one].options for one in ids}) > 1 or not questions[ids[0]].options:
            batteries.fault(name, "the questions of a battery have the same options", "Name those that do.")
    known: dict[str, tuple[str, ...]] = {declaration.geography.district: declaration.geography.codes}
    known |= declaration.levels | {question.id: question.options for question in declaration.questions}
    for combination in declaration.quality.impossible:
        if len({name for name, _ in combination}) < len(combination):
            section.fault("impossible", "a combination names everything once", "Correct it.", value=combination[0][0])
        for name, level in combination:
            if name not in known:
                hint = did_you_mean(name, known)
                section.fault("impossible", f"'{name}' is no demographic, question or district", hint, value=name)
            elif known[name] and level not in known[name]:
                hint = did_you_mean(level, known[name])
                section.fault("impossible", f"'{level}' is no level or option of {name}", hint, value=level)


def _pairs(text: str) -> tuple[tuple[str, str], ...] | None:
    """``a = 'x' and b = 'y'`` as pairs; None if it is anything else. Nothing is evaluated."""
    pairs = []
    place = 0
    while (found := _PAIR.match(text, place)) is not None:
        pairs.append((found[1], found[2][1:-1]))
        place = found.end()
        if place == len(text):
            return tuple(pairs) if len(pairs) > 1 else None
        joined = _AND.match(text, place)
        if joined is None:
            return None
        place = joined.end()
    return None
