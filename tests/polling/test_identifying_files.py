"""A wave with a column of direct identifiers is refused in every format, and no value of it is told."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fixtures import write_demo
from polling.declaration import SurveyDeclaration
from polling.errors import WaveRejected
from polling.faults import FaultLog
from polling.folder import load_survey_folder
from polling.formats.table import as_text
from polling.identifiers import find_identifiers
from polling.tabular import read_table
from polling.wave_file import read_wave
from tests.polling.formats import samples

N = 40
ROWS = {
    "id": [f"r{n}" for n in range(N)],
    "day": ["2024-05-01"] * N,
    "w": ["1"] * N,
    "ward": ["01"] * N,
    "age": ["18 to 34"] * N,
    "sex": ["F"] * N,
    "vote": ["Labour"] * N,
    "trust": ["yes"] * N,
}
MAILS = [f"person{n}@mail.example.org" for n in range(N)]
WRITERS: dict[str, Callable[[pl.DataFrame], bytes]] = {
    "csv": lambda table: table.write_csv().encode(),
    "quoted csv": lambda table: table.write_csv(quote_style="always").encode(),
    "gzip": lambda table: gzip.compress(table.write_csv().encode()),
    "ndjson": lambda table: "".join(json.dumps(row) + "\n" for row in table.iter_rows(named=True)).encode(),
    "parquet": samples.parquet,
    "sav": samples.sav,
    "dta": samples.dta,
    "xlsx": lambda table: samples.xlsx([list(table.columns), *map(list, table.iter_rows())]),
}


def refused(content: bytes, town: SurveyDeclaration) -> str:
    with pytest.raises(WaveRejected) as caught:
        read_wave(content, town, pollster="Any")
    told = "\n".join(map(str, caught.value.faults))
    assert "mail.example" not in told
    return told


@pytest.mark.parametrize("form", WRITERS)
def test_an_undeclared_column_is_looked_at_in_every_format(town: SurveyDeclaration, form: str):
    plain = pl.DataFrame(ROWS)
    assert read_wave(WRITERS[form](plain), town, pollster="Any").n_interviews == N

    told = refused(WRITERS[form](plain.with_columns(pl.Series("remarks", MAILS))), town)

    assert "column 'remarks': the column holds e-mail addresses" in told
    assert "even in a column that is not stored" in told


def test_answers_that_are_addresses_are_not_quoted_as_unknown_labels(town: SurveyDeclaration):
    table = pl.DataFrame(ROWS | {"vote": ["Labour"] * (N - 2) + MAILS[:2]})
    told = refused(WRITERS["csv"](table), town)
    assert "column 'vote': the column holds e-mail addresses (5% of the values" in told
    assert "not an option" in told


def test_the_declaration_may_name_columns_that_hold_no_identifiers(declare: Callable[..., SurveyDeclaration]):
    town = declare(("[columns]\n", '[columns]\nnot_identifiers = ["remarks"]\n'))
    table = pl.DataFrame(ROWS).with_columns(pl.Series("remarks", MAILS))
    assert read_wave(WRITERS["csv"](table), town, pollster="Any").n_interviews == N


def test_a_large_file_is_sampled_evenly(town: SurveyDeclaration):
    """More than a megabyte: addresses in the last tenth are seen, and the same ones each time."""
    n = 60_000
    table = pl.DataFrame({name: values[:1] * n for name, values in ROWS.items()}).with_columns(
        pl.Series("id", [f"r{number}" for number in range(n)]),
        pl.Series("remarks", ["none"] * (n - n // 10) + [f"p{number}@mail.example.org" for number in range(n // 10)]),
    )
    for form in ("csv", "gzip", "ndjson", "parquet"):
        told = refused(WRITERS[form](table), town)
        # Long lines of text are a little more likely to be looked at.
        assert re.search(r"column 'remarks': the column holds e-mail addresses \(1[0-4]% of", told), form


def test_ten_thousand_columns_are_looked_at_in_a_few_seconds(town: SurveyDeclaration):
    wide = pl.DataFrame({f"q{number}": [f"{number % 7}", f"{number % 5}.{number}"] * 20 for number in range(9_990)})
    content = WRITERS["csv"](pl.concat([pl.DataFrame(ROWS), wide], how="horizontal"))
    assert read_wave(content, town, pollster="Any").n_interviews == N


def test_the_waves_of_the_demo_are_no_false_alarm(tmp_path: Path):
    written = write_demo(tmp_path / "demo", n_waves=4)
    declared = load_survey_folder(written.path).declaration
    for wave in written.waves:
        log = FaultLog()
        table = read_table(wave.path.read_bytes(), log)
        assert table is not None
        columns = [text for series in table.data if (text := as_text(series)) is not None]
        assert not find_identifiers(columns, declared, log, pollster=wave.pollster, fieldwork_end=wave.fieldwork_end)


@pytest.mark.cases
def test_the_public_cases_are_no_false_alarm(cases: Path, town: SurveyDeclaration):
    """Every column of every file of interviews, as if none were declared."""
    looked_at = 0
    for name in ("responses.parquet", "sample5000.parquet", "sample5000_biased.parquet"):
        for file in sorted(cases.glob(f"*/{name}")):
            log = FaultLog()
            columns = [text for series in pl.read_parquet(file) if (text := as_text(series)) is not None]
            columns = [one.alias(f"{one.name} ") for one in columns]  # declared under no such name
            assert not find_identifiers(columns, town, log, pollster="Any"), log.reported()
            looked_at += len(columns)
    assert looked_at >= 40
