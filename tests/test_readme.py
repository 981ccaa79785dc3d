"""What the README promises is there: settings, problems, commands, and the notebook example runs as it stands."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import polars as pl
import pytest

from api.cli import cli as command_line
from api.problems import HTTP_KINDS, PROBLEMS, UNEXPECTED
from fixtures import read_wave_list, write_demo
from jobs.settings import settings_table
from mrp.counts import collapse
from mrp.formula import parse_formula
from polling.codebook import counted_answer, counted_labels
from polling.enums import as_texts
from polling.folder import load_survey_folder
from polling.wave_file import read_wave

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_every_setting_is_listed_with_its_default_and_meaning():
    missing = [row.name for row in settings_table() if f"| `{row.name}` |" not in README or row.meaning not in README]
    assert missing == []


def test_no_setting_is_listed_that_does_not_exist():
    section = README.split("## Settings")[1].split("## Problems")[0]
    listed = re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)
    assert listed == [row.name for row in settings_table()]


def test_every_type_of_problem_is_listed_and_no_other():
    kinds = {(kind.status, kind.type) for kind in [*PROBLEMS.values(), *HTTP_KINDS.values(), UNEXPECTED]}
    section = README.split("## Problems")[1].split("## What stays")[0]
    listed = re.findall(r"^\| (\d+) \| `([\w-]+)` \|", section, flags=re.MULTILINE)
    assert {(int(status), kind) for status, kind in listed} == kinds


def test_every_term_shown_is_understood():
    section = README.split("### The model of a question")[1].split("## From a notebook")[0]
    first_columns = re.findall(r"^\| (`.*?`) \| ", section, flags=re.MULTILINE)
    terms = [term.replace("\\|", "|") for column in first_columns for term in re.findall(r"`(.*?)`", column)]
    assert len(terms) >= 13
    for term in terms:
        assert parse_formula(term).terms, term


def test_every_command_shown_exists():
    shown = {
        tuple(word for word in shlex.split(line.split("#")[0])[1:3] if re.fullmatch("[a-z]+", word))
        for line in "\n".join(blocks("sh")).splitlines()
        if line.startswith("hustings ")
    }
    assert ("survey", "check") in shown
    for words in shown:
        group: click.Command = command_line
        with click.Context(group, info_name="hustings") as context:
            for word in words:
                if not isinstance(group, click.Group):
                    break
                command = group.get_command(context, word)
                assert command is not None, words
                group = command


def test_the_notebook_example_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_demo(tmp_path / ".demo" / "survey")
    monkeypatch.chdir(tmp_path)
    (example,) = blocks("python")

    told: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), told)

    verdict, table = capsys.readouterr().out.split("\n", 1)
    assert verdict == "laplace FitVerdict(problems=(), warnings=())"
    assert "mc_error" in table
    # The service counts the same waves through the codebook; equal counts are an equal estimate of the nation.
    counted = service_counts(tmp_path / ".demo" / "survey", by=told["design"].count_columns)
    assert told["counts"].sort(*counted.columns).equals(counted.sort(*counted.columns))
    assert counted["n"].sum() == 3391


def service_counts(folder: Path, *, by: tuple[str, ...]) -> pl.DataFrame:
    """What the service makes of the waves of the question "rail", in the columns of a notebook's counts."""
    declaration = load_survey_folder(folder).declaration
    question = declaration.question("rail")
    waves = [
        read_wave(file.path.read_bytes(), declaration, pollster=file.pollster).conversion.interviews
        for file in read_wave_list(folder)
    ]
    answers = pl.concat(wave.filter(~pl.col("excluded")).with_columns(counted_answer(question)) for wave in waves)
    first, counted = question.options[0], counted_labels(question)
    return as_texts(collapse(answers, by=by, answer="rail", option=first, options=counted))


def test_nothing_is_left_to_be_filled_in():
    assert re.findall(r"@@|TODO|TBD|XXX", README) == []
