"""One flat table of an answer, the same in CSV, Parquet and Arrow.

A row is a row of the answer, or a group that is withheld: without numbers, with the reason in ``withheld``. It has the
area, its name, a column for each demographic of ``by``, the numbers, what the answer says of all of them, and which
release it is, so that a file says what it is without anything beside it. Names and types follow from the types of the
payload: they are the same in every answer of a route, also in an empty one. A structure within a row is several columns
(``first.share`` is ``first_share``), a list of texts one, joined by semicolons; a list of structures is in JSON only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct, inspect

from api.answer_payloads import (
    EstimatesPayload,
    GroupsHead,
    MeansPayload,
    ProbabilityPayload,
    RankPayload,
    WithheldGroup,
)
from api.comparison_payloads import ChangePayload, ContrastPayload, RevisionPayload
from api.district_payloads import BattlegroundPayload, ProfilePayload, SeatsPayload
from api.methods_payloads import MethodsPayload
from api.record_payloads import TrackRecordPayload
from api.representation_payloads import RepresentationPayload
from api.trend_payloads import TrendPayload
from api.whom_to_ask_payloads import WhomToAskPayload

__all__ = ["ROWS", "WITHHELD", "flat_table", "head_of"]

ROWS: dict[type[Struct], tuple[str, ...]] = {
    EstimatesPayload: ("estimates",),
    MeansPayload: ("means",),
    ProbabilityPayload: ("probabilities",),
    RankPayload: ("ranks",),
    ContrastPayload: ("contrasts",),
    ChangePayload: ("changes",),
    RevisionPayload: ("revisions",),
    ProfilePayload: ("district", "groups"),
    # By option; the districts are those of the battleground.
    SeatsPayload: ("options",),
    BattlegroundPayload: ("districts",),
    TrendPayload: ("points",),
    TrackRecordPayload: ("scores",),
    WhomToAskPayload: ("groups",),
    MethodsPayload: ("methods",),
    RepresentationPayload: ("levels",),
}
"""Payload of an answer -> its fields that are rows, in order; each a list, or a single one that may be null."""

HEAD = (
    "survey",
    "question",
    "measure",
    "option",
    "unit",
    "scores",
    "interval",
    "period",
    "level",
    "where",
    "release_id",
    "release_number",
    "published_at",
    "data_through",
    "stale_since",
    "stale_reason",
    "engine",
    "confirmation",
    "survey_version",
    "base",
    "weights",
    "uncertainty",
    "estimand",
)
"""Fields of the head that every row repeats."""

WITHHELD = "withheld"
KINDS: dict[type[inspect.Type], pl.DataType] = {
    inspect.StrType: pl.String(),
    inspect.LiteralType: pl.String(),
    inspect.FloatType: pl.Float64(),
    inspect.IntType: pl.Int64(),
    inspect.BoolType: pl.Boolean(),
    inspect.DateType: pl.Date(),
    inspect.DateTimeType: pl.Datetime("us", "UTC"),
    inspect.ListType: pl.String(),
    inspect.DictType: pl.String(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and where its values are."""

    name: str
    kind: pl.DataType
    path: tuple[str, ...]

    def value(self, of: Any) -> Any:
        """The value in a row, or in the head; None where there is no such thing."""
        for name in self.path:
            of = getattr(of, name, None)
        if isinstance(of, dict):
            # As in the parameter `where`.
            labels = ((name, one) for name, some in of.items() for one in (some if isinstance(some, list) else [some]))
            return ",".join(f"{name}:{_told(level)}" for name, level in labels) or None
        return ";".join(of) or None if isinstance(of, list) else of


def flat_table(payload: Struct) -> pl.DataFrame:
    """The rows of an answer as a table.

    Raises
    ------
    KeyError
        If `ROWS` does not declare the payload.
    """
    in_rows, in_head = _columns(type(payload))
    rows = [*_rows(payload), *getattr(payload, WITHHELD, ())]
    fixed = {column.name.casefold() for column in (*in_rows, *in_head)}
    table: dict[str, pl.Series] = {}
    for column in in_rows:
        # What a row does not say, such as one of a group that is withheld, the head may say of all.
        of_all = column.value(payload) if column.name in HEAD else None
        values = [of_all if (own := column.value(row)) is None else own for row in rows]
        table[column.name] = pl.Series(values, dtype=column.kind)
        if column.name == "area_name":
            for by in _demographics(payload):
                # A demographic may have the name of a column; its own then cannot be that of a demographic.
                name = f"by.{by}" if by.casefold() in fixed else by
                levels = [getattr(row, "groups", {}).get(by) for row in rows]
                table[name] = pl.Series(levels, dtype=pl.String)
    for column in in_head:
        table[column.name] = pl.Series([column.value(payload)], dtype=column.kind).new_from_index(0, len(rows))
    return pl.DataFrame(table)


def head_of(payload: Struct) -> dict[str, Any]:
    """What an answer says besides its rows, as values for JSON."""
    told = msgspec.to_builtins(payload)
    return {name: value for name, value in told.items() if name not in (*ROWS[type(payload)], WITHHELD)}


def _told(level: str | float) -> str:
    return f"{level:g}" if isinstance(level, float) else level


def _demographics(payload: Struct) -> list[str]:
    return payload.by if isinstance(payload, GroupsHead) else []


def _rows(payload: Struct) -> Iterator[Struct]:
    for name in ROWS[type(payload)]:
        value = getattr(payload, name)
        yield from value if isinstance(value, list) else () if value is None else (value,)


@lru_cache
def _columns(payload: type[Struct]) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Columns of the rows and of the head; of two with one name the row's is right."""
    fields = {one.name: one.type for one in _fields(payload)}
    parts = [_flat(kind) for name in ROWS[payload] for kind in _structures(fields[name])]
    in_groups = issubclass(payload, GroupsHead)  # others have no areas of which something could be withheld
    found = {column.name: column for part in ([*_flat(WithheldGroup)] if in_groups else [], *parts) for column in part}
    if in_groups:
        found[WITHHELD] = Column(WITHHELD, pl.String(), found.pop("reason").path)
    own = [name for name in payload.__struct_fields__ if in_groups and name not in GroupsHead.__struct_fields__]
    head = {
        column.name: column
        for name in (*own, *HEAD)
        if name in fields and name not in ROWS[payload]
        for column in _flat_field(name, fields[name])
        if column.name not in found
    }
    return tuple(found.values()), tuple(head.values())


def _flat(structure: type[Struct]) -> list[Column]:
    return [column for one in _fields(structure) if one.name != "groups" for column in _flat_field(one.name, one.type)]


def _flat_field(name: str, kind: inspect.Type) -> list[Column]:
    """The columns that a field becomes; none if it is a list of structures."""
    for inside in _alternatives(kind):
        if isinstance(inside, inspect.StructType):
            return [Column(f"{name}_{one.name}", one.kind, (name, *one.path)) for one in _flat(inside.cls)]
        if not _structures(inside):
            return [Column(name, KINDS[type(inside)], (name,))]
    return []


def _structures(kind: inspect.Type) -> list[type[Struct]]:
    """The structure that a field is, or has a list of."""
    found = []
    for inside in _alternatives(kind):
        items = _alternatives(inside.item_type) if isinstance(inside, inspect.ListType) else (inside,)
        found += [one.cls for one in items if isinstance(one, inspect.StructType)]
    return found


def _alternatives(kind: inspect.Type) -> Sequence[inspect.Type]:
    """The types that a value may have, without null and descriptions."""
    if isinstance(kind, inspect.Metadata):
        return _alternatives(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [inside for one in kind.types for inside in _alternatives(one)]
    return [] if isinstance(kind, inspect.NoneType) else [kind]


def _fields(structure: type[Struct]) -> Sequence[inspect.Field]:
    described = inspect.type_info(structure)
    assert isinstance(described, inspect.StructType)
    return described.fields
