"""What a codebook makes of the labels of a wave: which become which level or option, and what it merges.

A recode is many-to-one, and what it merges cannot be told apart in any estimate; so it is listed, with how many
interviews sent each label. Counts of labels are respondent-level data in all but name: the report is for those who hold
the file, on their own machine, and is not stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from polling.declaration import Demographic, Question, SurveyDeclaration

__all__ = ["LabelUse", "RecodeReport", "recode_report"]


@dataclass(frozen=True, slots=True)
class LabelUse:
    """What became of one label of one column."""

    column: str
    """As the pollster calls it."""
    item: str
    """The district, demographic or question it belongs to."""
    label: str | None
    """As sent; None for a blank."""
    meaning: str
    """The level or option, or ``dont_know``, ``refused``, ``not_asked``, ``blank`` or ``unknown``."""
    how: str
    """``as is``, ``recode``, ``band``, ``status`` or, for a blank or an unknown label, ``none``."""
    n_interviews: int


@dataclass(frozen=True, slots=True)
class RecodeReport:
    """Every label of every declared column of a wave, and what is merged."""

    uses: tuple[LabelUse, ...]
    """By column in the order of the declaration, by label in the order of first appearance."""
    never_sent: Mapping[str, tuple[str, ...]]
    """Item -> levels or options that no interview of the wave has; items with one or more."""

    @property
    def merged(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(Item, level or option) -> labels that became it, where there are two or more."""
        labels: dict[tuple[str, str], list[str]] = {}
        for use in self.uses:
            if use.label is not None and use.how in ("as is", "recode", "band"):
                labels.setdefault((use.item, use.meaning), []).append(use.label)
        return {key: tuple(found) for key, found in labels.items() if len(found) > 1}


def recode_report(
    received: pl.DataFrame, interviews: pl.DataFrame, declaration: SurveyDeclaration, *, pollster: str
) -> RecodeReport:
    """List what the codebook made of a wave.

    Parameters
    ----------
    received
        Declared columns as text, one row per interview.
    interviews
        The same rows through the codebook, see ``polling.codebook.Conversion``.
    declaration, pollster
        As for the conversion.
    """
    names = declaration.columns_of(pollster)
    geography = declaration.geography
    district = Demographic(geography.district, geography.column, geography.codes, recode=geography.recode)
    uses: list[LabelUse] = []
    never: dict[str, tuple[str, ...]] = {}
    items: dict[str, Demographic | Question] = {item.name: item for item in (district, *declaration.demographics)}
    items |= {question.id: question for question in declaration.questions}
    for name, item in items.items():
        column = names.get(name)
        if column not in received.columns or (isinstance(item, Question) and item.kind == "numeric"):
            continue
        targets = item.options if isinstance(item, Question) else item.levels
        sent = (
            pl.DataFrame({"label": received[column], "meaning": interviews[name]})
            .group_by("label", "meaning", maintain_order=True)
            .len()
        )
        uses += [
            LabelUse(column, name, label, *_meaning(label, meaning, item), count)
            for label, meaning, count in sent.iter_rows()
        ]
        # A survey has hundreds of districts, and a wave need not reach them all.
        missing = tuple(target for target in targets if target not in set(interviews[name]))
        if missing and name != geography.district:
            never[name] = missing
    return RecodeReport(tuple(uses), never)


def _meaning(label: str | None, meaning: str | None, item: Demographic | Question) -> tuple[str, str]:
    if meaning is not None:
        if label == meaning:
            return meaning, "as is"
        return meaning, "recode" if label in item.recode else "band"
    if label is None or not label.strip():
        return "blank", "none"
    for status in ("dont_know", "refused", "not_asked"):
        if label in getattr(item, status):
            return status, "status"
    return "unknown", "none"
