"""How much of the difference between people each term of a model of several options explains."""

import numpy as np

from mrp.categorical.design import CategoricalDesign
from mrp.electorate import Electorate
from mrp.grouping import cells_of
from mrp.latents import LatentDraws
from mrp.variation import TermVariation, in_order, sds_of_terms, thinned

__all__ = ["option_variation"]


def option_variation(
    latents: LatentDraws, design: CategoricalDesign, electorate: Electorate
) -> tuple[TermVariation, ...]:
    """The terms that tell people apart, those that explain most first; see `mrp.variation.term_variation`."""
    cells = cells_of(electorate, tuple(dict.fromkeys((*electorate.cell_columns, *design.cell_columns))), {})
    people = cells["n_people"].to_numpy().astype(np.float64)
    rows, draws = design.rows(cells), thinned(latents)
    n = design.n_common * design.n_options
    vectors = draws[:, :n].reshape(len(draws), design.n_common, design.n_options)
    sds = sds_of_terms(vectors, design.common, rows.common, people)
    share = people / people.sum()
    for j, predictor in enumerate(design.own):
        centred = rows.own[:, j] - share @ rows.own[:, j]
        sds[predictor.term] = np.abs(draws[:, n + j]) * np.sqrt((share @ centred**2).mean())
    return in_order(sds)
