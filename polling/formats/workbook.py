"""Look into an .xlsx workbook without building anything from it.

A workbook is a zip archive of XML. A legal one of five kilobytes with a cell in A1 and one in XFD1048576 makes its
reader ask for half a terabyte, and an archive may hold a thousand times its own size. So the parts are streamed once:
entries, inflated bytes, the furthest row and column of every sheet, and cells that hold an error instead of a value.
"""

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from polling.faults import FaultLog

__all__ = ["MAX_SHEET_CELLS", "Sheet", "look_into"]

MAX_SHEET_CELLS = 5_000_000
"""Rows times columns up to the furthest cell; the reader lays them all out, 32 bytes each."""
_MAX_ENTRIES = 2_000
_MAX_ERRORS = 1_000
_STEP = 1 << 18
_WORKBOOK, _RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
_CELL = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})")
_NOT_A_WORKBOOK = {
    "xl/workbook.bin": "a binary workbook (.xlsb)",
    "content.xml": "an OpenDocument file (.ods)",
    "word/document.xml": "a text document (.docx)",
    "ppt/presentation.xml": "a presentation (.pptx)",
}
_DAMAGE = (zipfile.BadZipFile, expat.ExpatError, zlib.error, EOFError, OSError, ValueError, KeyError, RuntimeError)


@dataclass(slots=True)
class Sheet:
    """What a sheet has, as far as the names of its cells tell."""

    name: str
    n_cells: int = 0
    n_rows: int = 0
    n_columns: int = 0
    errors: list[int] = field(default_factory=list)
    """Rows with an error value such as #N/A; the first ``_MAX_ERRORS``."""


class _Refused(Exception):
    def __init__(self, reason: str, remedy: str) -> None:
        self.reason, self.remedy = reason, remedy
        super().__init__(reason)


def look_into(content: bytes, log: FaultLog, *, limit: int) -> list[Sheet] | None:
    """The visible sheets of a workbook that may be read, or None after recording why not.

    Parameters
    ----------
    content
        The bytes of the file.
    limit
        Bytes that all its parts together may have when they are unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _sheets(_Parts(archive, limit))
    except _Refused as refused:
        log.add(refused.reason, refused.remedy)
    except _DAMAGE as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        log.add(f"the file begins like a workbook and cannot be read: {reason}", "Save it again as .xlsx, or as CSV.")
    return None


class _Parts:
    """The parts of an archive, counting what they unpack to."""

    def __init__(self, archive: zipfile.ZipFile, limit: int) -> None:
        self._archive = archive
        self._limit = limit
        self._n_bytes = 0
        infos = archive.infolist()
        self.names = [info.filename for info in infos]
        if len(infos) > _MAX_ENTRIES:
            reason = f"the archive has {len(infos):,} entries, the limit is {_MAX_ENTRIES:,}"
            raise _Refused(reason, "Send the table as CSV.")
        if _WORKBOOK not in self.names:
            known = next((what for name, what in _NOT_A_WORKBOOK.items() if name in self.names), None)
            if known is None:
                raise _Refused("the file is a zip archive", "Unpack it and send the table that is in it.")
            raise _Refused(f"the file is {known}", "Save the table as .xlsx or as CSV in UTF-8.")
        if len({name.lower() for name in self.names}) < len(infos):
            raise _Refused("the archive has two entries of one name", "Save it again as .xlsx, or as CSV.")
        if any(info.flag_bits & 1 for info in infos):
            raise _Refused("the workbook is protected by a password", "Save it without one.")
        self._refuse_above(sum(info.file_size for info in infos))

    def stream(self, name: str) -> Iterator[bytes]:
        with self._archive.open(name) as part:
            while chunk := part.read(_STEP):
                self._n_bytes += len(chunk)
                self._refuse_above(self._n_bytes)
                yield chunk

    def _refuse_above(self, n_bytes: int) -> None:
        if n_bytes > self._limit:
            reason = f"the workbook holds more than {self._limit / 1e6:,.0f} MB when it is unpacked"
            raise _Refused(reason, "Send it as CSV or Parquet, in parts if need be.")


def _sheets(parts: _Parts) -> list[Sheet]:
    named: list[tuple[str, str, bool]] = []  # name, id of the relation, whether it is visible
    targets: dict[str, str] = {}

    def sheet(element: str, about: dict[str, str]) -> None:
        if element == "sheet":
            relation = next((value for key, value in about.items() if key.rpartition(":")[2] == "id"), "")
            named.append((about.get("name", ""), relation, about.get("state", "visible") == "visible"))

    def relation(element: str, about: dict[str, str]) -> None:
        if element == "Relationship":
            # Relative to the folder of the workbook, or from the root of the archive.
            targets[about.get("Id", "")] = posixpath.normpath(posixpath.join("/xl", about.get("Target", "")))[1:]

    _parse(parts.stream(_WORKBOOK), sheet)
    _parse(parts.stream(_RELATIONS), relation)
    scans = {targets.get(key, ""): _Scan(Sheet(name)) for name, key, _ in named}
    for name in parts.names:
        if name in scans:
            _parse(parts.stream(name), scans[name])
        elif name not in (_WORKBOOK, _RELATIONS):
            for _ in parts.stream(name):
                pass
    return [scans[targets.get(key, "")].sheet for _, key, visible in named if visible]


class _Scan:
    """Follows the cells of one sheet."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._row = 0
        self._column = 0

    def __call__(self, element: str, about: dict[str, str]) -> None:
        if element == "c":
            sheet = self.sheet
            sheet.n_cells += 1
            if place := _CELL.match(about.get("r", "")):
                self._column, self._row = _column(place[1]), int(place[2])
            else:
                self._column += 1
            self._reach(self._row, self._column)
            if about.get("t") == "e" and len(sheet.errors) < _MAX_ERRORS:
                sheet.errors.append(self._row)
        elif element == "row":
            self._row = int(about["r"]) if about.get("r", "").isdecimal() else self._row + 1
            self._column = 0
        elif element == "dimension":
            for corner in _CELL.finditer(about.get("ref", "")):
                self._refuse(int(corner[2]), _column(corner[1]))

    def _reach(self, row: int, column: int) -> None:
        if row > self.sheet.n_rows or column > self.sheet.n_columns:
            self.sheet.n_rows, self.sheet.n_columns = max(row, self.sheet.n_rows), max(column, self.sheet.n_columns)
            self._refuse(self.sheet.n_rows, self.sheet.n_columns)

    def _refuse(self, n_rows: int, n_columns: int) -> None:
        if n_rows * n_columns > MAX_SHEET_CELLS:
            reason = (
                f"sheet '{self.sheet.name[:40]}' reaches to row {n_rows:,} and column {n_columns:,}, "
                f"the limit is {MAX_SHEET_CELLS:,} cells"
            )
            raise _Refused(reason, "Delete the stray cells beyond the table, or send it as CSV.")


def _parse(stream: Iterator[bytes], take: Callable[[str, dict[str, str]], None]) -> None:
    parser = expat.ParserCreate()

    def start(element: str, about: dict[str, str]) -> None:
        take(element.rpartition(":")[2], about)

    def doctype(*_: object) -> None:
        raise _Refused("the workbook declares a document type", "Save it again as .xlsx, or as CSV.")

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    for chunk in stream:
        parser.Parse(chunk, False)
    parser.Parse(b"", True)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - 64
    return number
