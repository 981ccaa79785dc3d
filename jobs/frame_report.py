"""Write a frame that was built, and what has to be told of it, so that a release that used it can be traced."""

import hashlib
import io
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from jobs.errors import JobsError
from jobs.frame_build import BuiltFrame, StepReport
from mrp.frames.cells import PEOPLE
from polling.folder import FILE_NAME as SURVEY
from polling.frame_recipe import FrameRecipe
from polling.frame_report import NAME_THE_DRAWS
from polling.store.blobs import table_sha256

__all__ = ["DRAWS", "FRAME", "REPORT", "frame_report", "unnamed_draws", "write_frame"]

FRAME, DRAWS, REPORT = "frame.parquet", "frame_draws.parquet", "frame.json"
FORMAT_VERSION = 1
_THINNEST = 100
"""Cells that are named in a report."""


def write_frame(
    built: BuiltFrame, recipe: FrameRecipe, folder: Path, *, recipe_name: str, force: bool
) -> dict[str, Any]:
    """Write ``frame.parquet``, ``frame.json`` and, of an extended frame, ``frame_draws.parquet``.

    Parameters
    ----------
    force
        Replace a frame that was not built by this command, or was changed since.

    Returns
    -------
    dict
        What is in ``frame.json``.

    Raises
    ------
    JobsError
        If such a frame is there and is not to be replaced, or the folder cannot be written to.
    """
    if not force and (foreign := [name for name in (FRAME, DRAWS) if _is_foreign(folder, name)]):
        raise JobsError(
            f"{folder / foreign[0]} is there, and not as this command wrote it. Move it away, choose another folder "
            "with --out, or replace it with --force."
        )
    files = {FRAME: _parquet(built.frame)}
    if built.draws is not None:
        files[DRAWS] = _parquet(built.draws.to_table())
    report = frame_report(built, recipe, files, recipe_name=recipe_name)
    files[REPORT] = (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            # A reader never meets half a frame.
            part = folder / f".{name}.part"
            part.write_bytes(content)
            part.replace(folder / name)
        if built.draws is None:
            (folder / DRAWS).unlink(missing_ok=True)
    except OSError as error:
        raise JobsError(f"{folder} cannot be written to: {error.strerror}. Choose another folder with --out.") from None
    return report


def unnamed_draws(folder: Path) -> tuple[str, ...]:
    """A warning if draws of a frame were written and the survey beside them, if there is one, does not name them."""
    if not (folder / DRAWS).exists():
        return ()
    try:
        named = tomllib.loads((folder / SURVEY).read_text())["frame"]["draws"]
    except (OSError, ValueError, KeyError, TypeError):  # what is wrong with it is said when the survey is loaded
        named = None
    return () if named == DRAWS else (NAME_THE_DRAWS,)


def frame_report(
    built: BuiltFrame, recipe: FrameRecipe, files: Mapping[str, bytes], *, recipe_name: str
) -> dict[str, Any]:
    """What ``frame.json`` holds: source, date, steps, gaps, cells, assumptions, warnings and hashes."""
    inputs = {recipe_name: recipe.sha256, **{one.declared.file: one.sha256 for one in recipe.tables.values()}}
    steps = [
        {
            "do": step.do,
            "told": list(step.told),
            "assumptions": list(step.assumptions),
            "warnings": list(step.warnings),
            "gaps": [
                {
                    "margin": gap.margin,
                    "columns": list(gap.columns),
                    "people": gap.people,
                    "share": gap.share,
                    "level": list(gap.level),
                }
                for gap in step.gaps
            ],
            "n_people": step.n_people,
            "n_cells": step.n_cells,
            **_support(step),
        }
        for step in built.steps
    ]
    return {
        "format_version": FORMAT_VERSION,
        "source": recipe.source,
        "date": recipe.date.isoformat(),
        "district": recipe.district,
        "demographics": {name: list(levels) for name, levels in recipe.demographics.items()},
        "n_people": float(built.frame[PEOPLE].sum()),
        "n_districts": built.frame[recipe.district].n_unique(),
        "n_cells": built.frame.height,
        "n_cells_created": built.n_created,
        "n_cells_without_people": built.n_empty,
        "n_draws": 0 if built.draws is None else len(built.draws.n_people),
        "told": list(built.said),
        "assumptions": list(dict.fromkeys(one for step in built.steps for one in step.assumptions)),
        "warnings": list(dict.fromkeys(one for step in built.steps for one in step.warnings)),
        "steps": steps,
        "sha256": {
            "inputs": inputs,
            # What a survey's version and its fits call frame_sha256, if survey.toml has the demographics in this order.
            "frame": table_sha256(built.frame),
            "outputs": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        },
    }


def _support(step: StepReport) -> dict[str, Any]:
    """What districts, and the thinnest cells, rest on, where records were counted."""
    if step.support is None:
        return {}
    thinnest = step.support.by_cell.sort("n_effective", *step.support.by_cell.columns[:-3]).head(_THINNEST)
    return {"districts": step.support.by_district.to_dicts(), "thinnest_cells": thinnest.to_dicts()}


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _is_foreign(folder: Path, name: str) -> bool:
    """Whether there is such a file that is not the one the report beside it tells of."""
    if not (folder / name).exists():
        return False
    try:
        told = json.loads((folder / REPORT).read_bytes())["sha256"]["outputs"][name]
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return bool(hashlib.sha256((folder / name).read_bytes()).hexdigest() != told)
