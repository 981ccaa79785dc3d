"""The draws of a release as tables from which anybody can compute what the service answers.

    eta[s, r] = sum_l weight[r, l] draw[s, l]
    share[s, a] = sum_j n_people[j] logistic(eta[s, row[j]]) / sum_j n_people[j],   j in cells of a

of a question of two options. Of numbers and of scales eta is the same, and each file says what makes an answer of it:

    mean[s, j] = centre + scale eta[s, row[j]]                                    numbers, in their unit
    above[s, j, k] = logistic(eta[s, row[j]] - (spacing exp(log width[s]))[k])    options after the k-th of a scale

*draws* has a row for each draw s and a column for each latent l; *design* the weights of the latents in each of its
rows r, where they are not 0; *cells* the cells j of the frame, with their people and the row of the design that is
theirs: cells that the model does not tell apart share one. Of a survey with F frames, n_people is their mean, and the
people of each frame are columns of their own: draw s of an answer is made with those of ``.people[f]``, f = s mod F.
Nothing of the interviews is in them, neither answers nor
how many there were. Columns of our own begin with a dot, as no name of a survey does.
"""

from typing import Any, Final

import numpy as np
import polars as pl

from api.errors import EstimateRefused
from api.measures import scores_of
from api.misreport import told_of
from api.release_cache import LoadedRelease
from mrp.design import Design
from mrp.grouping import cells_of
from mrp.numeric.design import NumericDesign
from mrp.ordinal.design import OrdinalDesign
from mrp.ordinal.scale import spacing

__all__ = ["CELLS", "DESIGN", "DRAWS", "TABLE_NAMES", "about_draws", "make_table"]

DRAWS: Final = "draws"
CELLS: Final = "cells"
DESIGN: Final = "design"
TABLE_NAMES: Final = (DRAWS, CELLS, DESIGN)


def make_table(loaded: LoadedRelease, name: str, *, period: str | None) -> pl.DataFrame:
    """One of the tables.

    Parameters
    ----------
    period
        The period that is predicted; None if the model has none.
    """
    if loaded.question.kind == "categorical":
        raise EstimateRefused(
            f"The tables of draws are those of one linear predictor, and {loaded.question.id} is categorical: it has "
            "one for each option. Take its /datatree, which has the draws of every latent by name."
        )
    if name == DRAWS:
        return _draws(loaded)
    return _cells(loaded) if name == CELLS else _design(loaded, period)


def about_draws(loaded: LoadedRelease, *, period: str | None) -> dict[str, Any]:
    """What a file says of itself, as values for JSON."""
    release, question = loaded.release, loaded.question
    return {
        "survey": release.survey_id,
        "question": release.question_id,
        "text": question.text,
        "option": question.options[0] if question.kind == "binary" else None,
        "base": list(question.base),
        "estimand": told_of(loaded),
        "release_id": release.id,
        "release_number": release.number,
        "published_at": release.published_at.isoformat(),
        "engine": release.engine,
        "formula": loaded.design.common.formula,
        "link": loaded.latents.link,
        "district": loaded.electorate.district,
        "period": period,
        "n_chains": loaded.latents.n_chains,
        "uncertainty": loaded.uncertainty,
        **_frames(loaded),
        **_answers(loaded),
    }


def _answers(loaded: LoadedRelease) -> dict[str, Any]:
    """What makes answers of the linear predictor, where a logistic function alone does not."""
    design = loaded.design
    if isinstance(design, NumericDesign):
        unit = design.require_unit()
        return {"unit": loaded.question.unit, "centre": unit.centre, "scale": unit.scale}
    if isinstance(design, OrdinalDesign):
        return {
            "options": list(design.options),
            "scores": list(scores_of(loaded.question)),
            "spacing": spacing(design.n_options).tolist(),
        }
    return {}


def _frames(loaded: LoadedRelease) -> dict[str, Any]:
    """Which frame goes with which draw, where there are several."""
    if loaded.frames is None:
        return {}
    n = len(loaded.frames.n_people)
    use = f"answers are made of draw s with the people of .people[s mod {n}]; n_people of cells is the mean of all"
    return {"n_frames": n, "use_of_frames": use}


def _draws(loaded: LoadedRelease) -> pl.DataFrame:
    latents = loaded.latents
    n_draws = latents.draws.shape[0]
    number = np.arange(n_draws, dtype=np.int32)
    # Draws of one point share their standard deviations: for Monte-Carlo errors they count as one.
    point = pl.Series(".point", latents.points, dtype=pl.Int32) if latents.points is not None else None
    return pl.DataFrame(
        {
            ".draw": number,
            ".chain": number // (n_draws // latents.n_chains),
            ".point": point if point is not None else pl.repeat(None, n_draws, dtype=pl.Int32, eager=True),
            **{name: np.ascontiguousarray(latents.draws[:, i]) for i, name in enumerate(latents.names)},
        }
    )


def _cells(loaded: LoadedRelease) -> pl.DataFrame:
    electorate, keys = loaded.electorate, list(loaded.design.cell_columns)
    columns = dict.fromkeys((*electorate.cell_columns, *electorate.parents))
    cells = cells_of(electorate, tuple(columns), {})
    of_frames: list[str] = []
    if loaded.frames is not None:
        people = {f".people[{f}]": of for f, of in enumerate(loaded.frames.n_people)}
        of_frames = list(people)
        table = loaded.frames.cells.with_columns(pl.Series(name, of) for name, of in people.items())
        cells = cells.join(table, on=list(electorate.cell_columns), how="left", maintain_order="left")
    if not keys:
        return cells.select(pl.lit(0, dtype=pl.UInt32).alias(".row"), pl.all())
    joined = cells.join(_rows(loaded), on=keys, how="left", maintain_order="left")
    return joined.select(".row", *columns, "n_people", *of_frames)


def _design(loaded: LoadedRelease, period: str | None) -> pl.DataFrame:
    design: Design = loaded.design.common if period is None else loaded.design.common.at_period(period)
    rows = _rows(loaded)
    number = rows[".row"].to_numpy()
    row, latent, weight = [number], [np.zeros_like(number)], [np.ones(number.size)]
    if design.has_terms:
        coded = design.rows(rows)
        n_coefficients, n_entries = coded.x.shape[1], coded.index.shape[1]
        row += [np.repeat(number, n_coefficients), np.repeat(number, n_entries)]
        latent += [np.tile(np.arange(1, 1 + n_coefficients), number.size), coded.index.ravel()]
        weight += [coded.x.ravel(), coded.weight.ravel()]
    table = pl.DataFrame(
        {
            ".row": np.concatenate(row).astype(np.uint32),
            ".latent": np.concatenate(latent).astype(np.uint32),
            "weight": np.concatenate(weight),
        }
    )
    summed = table.group_by(".row", ".latent").agg(pl.col("weight").sum()).filter(pl.col("weight") != 0)
    return summed.sort(".row", ".latent")


def _rows(loaded: LoadedRelease) -> pl.DataFrame:
    """The rows of the design: number, and the levels of what the model reads."""
    keys = list(loaded.design.cell_columns)
    if not keys:
        return pl.DataFrame({".row": pl.Series([0], dtype=pl.UInt32)})
    cells = cells_of(loaded.electorate, loaded.electorate.cell_columns, {})
    return cells.select(keys).unique(maintain_order=True).with_row_index(".row")
