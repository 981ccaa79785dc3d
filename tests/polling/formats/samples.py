"""One small wave in every format, and the tools that write them."""

import gzip
import io
import json
import tempfile
from datetime import date, datetime
from pathlib import Path

import polars as pl

__all__ = ["CODED", "EXPECTED", "HEADER", "LABELS", "SAMPLES", "dta", "parquet", "sav", "xlsx", "zstd"]

HEADER = ("id", "ward", "day", "vote", "n", "weight")
EXPECTED = {
    "id": ["a1", "é2", "ü3", "日4", "e5"],
    "ward": ["01001", "00002", "1", None, "01001"],
    "day": ["2024-02-29", "2024-05-01", None, "1999-12-31", "2024-05-02"],
    "vote": ["Très pour", "Contre", "Refusé", None, "Très pour"],
    "n": ["1", "2", "99", None, "3"],
    "weight": ["1.5", "0.25", "1.0", "2.0", None],
}
LABELS = {1: "Très pour", 2: "Contre", 9: "Refusé"}
CODED = pl.DataFrame(
    {
        "id": EXPECTED["id"],
        "ward": [value or "" for value in EXPECTED["ward"]],
        "day": [None if day is None else date.fromisoformat(day) for day in EXPECTED["day"]],
        "vote": [1.0, 2.0, 9.0, None, 1.0],
        "n": [1.0, 2.0, 99.0, None, 3.0],
        "weight": [1.5, 0.25, 1.0, 2.0, None],
    }
)


def csv(delimiter: str = ",", end: str = "\n") -> str:
    rows = [HEADER, *zip(*(EXPECTED[name] for name in HEADER), strict=True)]
    return "".join(delimiter.join(cell or "" for cell in row) + end for row in rows)


def ndjson() -> bytes:
    rows = zip(*(EXPECTED[name] for name in HEADER), strict=True)
    return "".join(
        json.dumps(dict(zip(HEADER, row, strict=True)), ensure_ascii=number % 2 == 0) + "\n"
        for number, row in enumerate(rows)
    ).encode()


def parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def _typed() -> pl.DataFrame:
    words = {code: LABELS[code] for code in LABELS}
    return CODED.with_columns(
        pl.col("vote").replace_strict(words, default=None, return_dtype=pl.String),
        pl.col("n").cast(pl.Int64),
        pl.Series("ward", EXPECTED["ward"]),
    )


def sav(table: pl.DataFrame, *, compress: bool = False, **options: object) -> bytes:
    import pyreadstat

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.sav"
        pyreadstat.write_sav(table, path, compress=compress, **options)
        return path.read_bytes()


def dta(table: pl.DataFrame, **options: object) -> bytes:
    import pyreadstat

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.dta"
        pyreadstat.write_dta(table, path, **options)
        return path.read_bytes()


def xlsx(*sheets: list[list[object]]) -> bytes:
    import xlsxwriter

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "nan_inf_to_errors": True}) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for rows in sheets:
            sheet = book.add_worksheet()
            for place, row in enumerate(rows):
                for column, value in enumerate(row):
                    if isinstance(value, date | datetime):
                        sheet.write_datetime(place, column, value, day)
                    elif isinstance(value, str):
                        sheet.write_string(place, column, value)
                    elif value is not None:
                        sheet.write(place, column, value)
    return buffer.getvalue()


def _sheet() -> list[list[object]]:
    typed = _typed()
    return [list(HEADER), *(list(row) for row in typed.iter_rows())]


def zstd(content: bytes) -> bytes:
    import pyarrow as pa

    compressed: bytes = pa.compress(content, codec="zstd", asbytes=True)
    return compressed


_LABELLED = {"variable_value_labels": {"vote": LABELS}}
_DOUBLES = {"variable_value_labels": {"vote": LABELS}, "version": 15}

SAMPLES: dict[str, bytes] = {
    "csv": csv().encode(),
    "csv-semicolon": b"\xef\xbb\xbf" + csv(";", "\r\n").encode(),
    "csv-tab": csv("\t").encode(),
    "csv-bar-quoted": csv("|").replace("Contre", '"Contre"').encode(),
    "csv-cr": csv(end="\r").encode(),
    "ndjson": ndjson(),
    "parquet": parquet(_typed()),
    "sav": sav(CODED, missing_ranges={"vote": [9], "n": [99]}, **_LABELLED),
    "zsav": sav(CODED, compress=True, missing_ranges={"vote": [9], "n": [99]}, **_LABELLED),
    "dta": dta(CODED, **_DOUBLES),
    "xlsx": xlsx(_sheet()),
    "csv.gz": gzip.compress(csv().encode(), mtime=0),
    "csv.zst": zstd(csv().encode()),
}
"""Name -> bytes; every one holds EXPECTED."""
