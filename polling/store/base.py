"""Base of the mapped classes: names of constraints, and types that mean the same on both stores."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase

from polling.store.columns import CanonicalJson, UtcDateTime

__all__ = ["Base"]


class Base(DeclarativeBase):
    """Base of all mapped classes; the types that mean the same on both stores."""

    metadata = MetaData(
        # Named constraints, so that a later migration can drop them on either store.
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012
        str: Text,
        bytes: LargeBinary,
        date: Date,
        datetime: UtcDateTime,
        Any: CanonicalJson,
    }
