"""Read a table from strangers' bytes, recognised by content and not by name.

========================  =======================================================================================
CSV                       comma, semicolon, tab or bar; UTF-8, with or without byte order mark; every cell is text
NDJSON                    one flat object per line; every cell is text
Parquet                   its own types
SPSS (.sav, .zsav)        value labels as text, user-missing codes kept apart (``polling.formats.labels``)
Stata (.dta)              the same
.xlsx                     the sheet with the data; every cell is text
gzip, zstd                of any of these, inflated up to a limit
========================  =======================================================================================

Everything else is refused in words: what it is and what to send instead. The usual CSV is read here, which needs no
more memory than the table; all other bytes go to a process that may use little memory and time
(``polling.formats.limited``).
"""

from collections.abc import Collection
from dataclasses import replace

from polling.faults import FaultLog
from polling.formats.limited import read_limited
from polling.formats.plain_csv import read_plain_csv
from polling.formats.recognise import recognise, refusal
from polling.formats.sample import sample_columns
from polling.formats.table import INFLATED_BYTES, MAX_ROWS, Table, as_text

__all__ = ["INFLATED_BYTES", "MAX_ROWS", "Table", "as_text", "read_table"]


def read_table(
    content: bytes,
    log: FaultLog,
    *,
    expected: Collection[str] = (),
    only: bool = False,
    inflated_bytes: int = INFLATED_BYTES,
) -> Table | None:
    """Read a table, recording what is wrong with it as a file.

    Parameters
    ----------
    content
        The bytes of the file.
    log
        Receives the faults.
    expected
        Column names that help to recognise the delimiter, and the sheet of a workbook.
    only
        True: keep only the expected columns.
    inflated_bytes
        What a compressed file, or a workbook, may become.

    Returns
    -------
    Table or None
        None if there is nothing that could be checked further.

    Raises
    ------
    ReaderUnavailable
        If the machine cannot start a process to read the file in.
    """
    name = recognise(content)
    if name is None:
        what, remedy = refusal(content) or ("of an unknown kind", "Send it as CSV in UTF-8.")
        log.add(f"the file is {what}", remedy)
        return None
    plain = read_plain_csv(content, expected=expected, only=only) if name == "csv" else None
    if plain is not None:
        return replace(plain, others=sample_columns(content, "csv", plain.header, expected)) if only else plain
    return read_limited(content, log, expected=expected, only=only, inflated_bytes=inflated_bytes)
