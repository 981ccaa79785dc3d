"""Tell what a file is by its first bytes; its name says nothing.

What can be read has a name in ``FORMATS``. What cannot is called by its name in words, with what to do about it:
somebody who sends an old workbook wants to hear "save it as .xlsx", not "invalid UTF-8 in line 1".
"""

__all__ = ["COMPRESSED", "FORMATS", "recognise", "refusal"]

FORMATS = {
    "csv": "CSV",
    "ndjson": "NDJSON",
    "parquet": "Parquet",
    "sav": "SPSS",
    "dta": "Stata",
    "xlsx": "a workbook",
    "gzip": "gzip",
    "zstd": "zstd",
}
"""Name -> how it is called in a fault. A zip archive is taken for a workbook until it was looked into."""
COMPRESSED = frozenset({"gzip", "zstd"})

_BEGINNINGS = {
    b"PAR1": "parquet",
    b"$FL2": "sav",
    b"$FL3": "sav",
    b"<stata_dta>": "dta",
    b"PK\x03\x04": "xlsx",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_STATA_RELEASES = range(104, 116)  # the first byte of .dta files before Stata 13
_BOM = b"\xef\xbb\xbf"

_AS_CSV = "Send it as CSV in UTF-8, Parquet, SPSS, Stata or .xlsx."
_UNPACK = "Unpack it and send the table that is in it, or compress it with gzip or zstd."
_FOREIGN = {
    b"\xff\xfe": ("UTF-16 text", "Save it as CSV in UTF-8 (in Excel: 'CSV UTF-8')."),
    b"\xfe\xff": ("UTF-16 text", "Save it as CSV in UTF-8 (in Excel: 'CSV UTF-8')."),
    b"\xd0\xcf\x11\xe0": ("an old or a protected workbook (.xls)", "Save it as .xlsx without a password, or as CSV."),
    b"\xfd7zXZ": ("compressed with xz", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", _UNPACK),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"PK\x05\x06": ("an empty zip archive", _UNPACK),
    b"%PDF": ("a PDF", "Send the interviews behind it. " + _AS_CSV),
    b"{\\rtf": ("a text document (RTF)", _AS_CSV),
    b"\x89PNG": ("a picture", _AS_CSV),
    b"\xff\xd8\xff": ("a picture", _AS_CSV),
    b"SQLite format 3\x00": ("an SQLite database", "Export the table. " + _AS_CSV),
    b"ARROW1": ("an Arrow (Feather) file", "Save it as Parquet."),
    b"FEA1": ("a Feather file", "Save it as Parquet."),
    b"ORC": ("an ORC file", "Save it as Parquet."),
    b"Obj\x01": ("an Avro file", "Save it as Parquet."),
    b"HEADER RECORD*******": ("a SAS transport file", "Save it as CSV, Parquet, SPSS or Stata."),
    b"RDX2": ("an R workspace", "Save it as Parquet (arrow::write_parquet) or CSV."),
    b"RDX3": ("an R workspace", "Save it as Parquet (arrow::write_parquet) or CSV."),
}
_SAS = bytes(12) + b"\xc2\xea\x81\x60"
_MARKUP = {b"<!doctype html": "a web page", b"<html": "a web page", b"<?xml": "an XML document"}


def recognise(content: bytes) -> str | None:
    """The name of the format, or None where `refusal` knows better; anything that may be text is CSV or NDJSON."""
    for beginning, name in _BEGINNINGS.items():
        if content.startswith(beginning):
            return name
    # Release, byte order 1 or 2, file type 1, nothing: text has no such characters.
    if len(content) >= 4 and content[0] in _STATA_RELEASES and content[1] in (1, 2) and content[2:4] == b"\x01\x00":
        return "dta"
    if refusal(content) is not None:
        return None
    return "ndjson" if _text_start(content).startswith(b"{") else "csv"


def refusal(content: bytes) -> tuple[str, str] | None:
    """What a file is that cannot be read, and what to do instead; None for all others."""
    for beginning, (what, remedy) in _FOREIGN.items():
        # "ORC" may also begin a header: a table of text has a line end or a delimiter soon, and no NUL.
        if content.startswith(beginning) and (len(beginning) > 3 or not beginning.isalpha() or b"\x00" in content[:64]):
            return what, remedy
    if content.startswith(b"BZh") and content[4:10] == b"1AY&SY":
        return "compressed with bzip2", _UNPACK
    if content.startswith(_SAS):
        return "a SAS data set", "Save it as CSV, Parquet, SPSS or Stata."
    start = _text_start(content)
    for beginning, what in _MARKUP.items():
        if start[: len(beginning)].lower() == beginning:
            return what, "Send the table itself. " + _AS_CSV
    if start.startswith((b"[{", b"[]", b"[\n", b"[ ", b"[\r\n")):
        return "a JSON array", "Send one object per line (NDJSON), without brackets and commas around them."
    return None


def _text_start(content: bytes) -> bytes:
    return content[:4096].removeprefix(_BOM).lstrip()
