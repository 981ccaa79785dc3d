"""Choose the reader of a file and turn whatever goes wrong into a fault."""

from collections.abc import Collection
from dataclasses import replace

import polars as pl

from polling.faults import FaultLog
from polling.formats.columnar import read_parquet
from polling.formats.exact_csv import read_exact_csv
from polling.formats.inflate import inflated
from polling.formats.labelled import read_labelled
from polling.formats.ndjson import read_ndjson
from polling.formats.plain_csv import read_plain_csv
from polling.formats.recognise import COMPRESSED, FORMATS, recognise, refusal
from polling.formats.sample import sample_columns
from polling.formats.spreadsheet import read_spreadsheet
from polling.formats.table import Table, is_too_large

__all__ = ["parse"]


def parse(content: bytes, log: FaultLog, *, expected: Collection[str], only: bool, limit: int) -> Table | None:
    """Read a table of any format; to be called in a process with limits, except for what is known to be harmless.

    Parameters
    ----------
    content
        The bytes of the file.
    log
        Receives the faults.
    expected
        Column names that help to recognise delimiter and sheet.
    only
        True: keep only the expected columns.
    limit
        Bytes that a compressed file, or the parts of a workbook, may become.

    Returns
    -------
    Table or None
        None if there is nothing that could be checked further.

    Raises
    ------
    MemoryError
        If the process may not use as much as the file needs.
    """
    name = recognise(content)
    if name in COMPRESSED:
        outer = name
        unpacked = inflated(content, name, log, limit=limit)
        if unpacked is None:
            return None
        content, name = unpacked, recognise(unpacked)
        if name in COMPRESSED:
            log.add(f"the file is compressed twice ({outer}, {name})", "Compress it once.")
            return None
    if name is None:
        what, remedy = refusal(content) or ("of an unknown kind", "")
        log.add(f"the file is {what}", remedy)
        return None
    try:
        table = _read(content, name, log, expected=expected, only=only, limit=limit)
        if only and table is not None and not table.others.width:
            table = replace(table, others=sample_columns(content, name, table.header, expected))
    except MemoryError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # strangers' bytes, read by four libraries
        if isinstance(error, pl.exceptions.PanicException) and "memory" in str(error).lower():
            raise MemoryError from None
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        log.add(f"the file begins like {FORMATS[name]} and cannot be read: {reason}", "Write it again, or send CSV.")
        return None
    if table is not None and is_too_large(table.data.height, len(table.header), log, n_kept=table.data.width):
        return None
    return table


def _read(
    content: bytes, name: str, log: FaultLog, *, expected: Collection[str], only: bool, limit: int
) -> Table | None:
    match name:
        case "parquet":
            return read_parquet(content, log, expected=expected, only=only)
        case "sav" | "dta":
            return read_labelled(content, log, name=name, expected=expected, only=only)
        case "xlsx":
            return read_spreadsheet(content, log, expected=expected, only=only, limit=limit)
        case "ndjson":
            return read_ndjson(content, log, expected=expected, only=only)
    plain = read_plain_csv(content, expected=expected, only=only)
    return plain if plain is not None else read_exact_csv(content, log, expected=expected, only=only)
