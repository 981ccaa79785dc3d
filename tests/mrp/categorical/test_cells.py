"""Shares of cells against plain loops, where terms are added up first and where options do not stand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mrp.categorical import build_categorical_design
from mrp.categorical.cells import OptionBlocks, OptionRows
from tests.mrp.categorical.parties import OPTIONS, cell_shares, latents, world

MANY = world(n_districts=12)


@pytest.mark.parametrize(
    "formula",
    ["own(log(past)) + lean + (1|district) + (1|age)", "own(log(past)) + (1+lean|age) + (1|sex:age)", "(1|sex)"],
)
@pytest.mark.parametrize("times", [1, 8])
def test_shares_of_a_block_are_those_of_plain_loops(formula: str, times: int):
    design = build_categorical_design(formula, MANY, OPTIONS)
    cells = MANY.frame[np.tile(np.arange(MANY.frame.height), times)]
    draws = np.stack([latents(design, seed=seed) for seed in range(3)]).astype(np.float32)
    rows = OptionRows.of(design.rows(cells))
    if times > 1:
        assert rows.combined is not None
    blocks = OptionBlocks.of(draws, rows)
    expected = np.stack([cell_shares(design, one.astype(np.float64), cells) for one in draws]).transpose(2, 1, 0)
    for start, stop in ((0, cells.height), (3, 20), (5, 5)):
        assert_allclose(blocks(start, stop), expected[:, start:stop], atol=2e-6)


def test_options_that_stand_nowhere_in_a_block_are_left_out_of_it():
    design = build_categorical_design("own(log(past)) + (1|district)", MANY, OPTIONS)
    regions = dict(MANY.districts.select("code", "region").iter_rows())
    here = MANY.frame.filter(MANY.frame[MANY.district].cast(str).replace_strict(regions) != "South")
    draws = latents(design, seed=1)[None].astype(np.float32)
    options, shares = OptionBlocks.of(draws, OptionRows.of(design.rows(here))).of_standing(0, here.height)
    assert [design.options[o] for o in options] == ["Left", "Right", "Green"]
    assert_allclose(shares.sum(axis=0), 1, rtol=1e-6)
