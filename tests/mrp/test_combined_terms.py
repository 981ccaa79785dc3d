"""Terms that are added up first give the same sums, in fewer additions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from mrp.cell_pass import linear_predictor, with_blocks
from mrp.combined_terms import combine
from mrp.design import DesignRows

N_CELLS, N_DRAWS = 240, 3


@st.composite
def coded_rows(draw: st.DrawFn) -> tuple[DesignRows, int]:
    """Rows of any design on cells of four columns, and how many latents it has."""
    levels = (12, 5, 2, 2)
    columns = np.stack(np.unravel_index(np.arange(N_CELLS), levels))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    terms = draw(st.lists(st.sets(st.integers(0, 3), min_size=1), max_size=6))
    read = draw(st.lists(st.sampled_from([0, 1, 2, 3, None]), max_size=3))
    # A predictor is a function of one column, or of nothing known.
    x = [rng.normal(size=N_CELLS) if c is None else rng.normal(size=levels[c])[columns[c]] for c in read]
    index, weight, offset = [], [], 1 + len(x)
    for term in terms:
        shape = [levels[c] for c in sorted(term)]
        index.append(offset + np.ravel_multi_index(tuple(columns[c] for c in sorted(term)), shape))
        offset += int(np.prod(shape))
        kind = draw(st.sampled_from(["plain", "plain", "slope", "nuisance"]))
        own = {"plain": np.ones(N_CELLS), "nuisance": np.zeros(N_CELLS), "slope": rng.normal(size=N_CELLS)}[kind]
        weight.append(own)
    kept = np.sort(rng.choice(N_CELLS, draw(st.integers(1, N_CELLS)), replace=False))
    return DesignRows(
        x=np.stack(x, axis=1)[kept] if x else np.empty((kept.size, 0)),
        index=np.stack(index, axis=1)[kept].astype(np.int32) if index else np.empty((kept.size, 0), dtype=np.int32),
        weight=np.stack(weight, axis=1)[kept] if weight else np.empty((kept.size, 0)),
    ), offset


def plainly(rows: DesignRows, by_latent: np.ndarray) -> np.ndarray:
    """The definition, cell by cell and term by term."""
    eta = np.empty((rows.x.shape[0], by_latent.shape[1]))
    for i in range(rows.x.shape[0]):
        eta[i] = by_latent[0]
        for j in range(rows.x.shape[1]):
            eta[i] += rows.x[i, j] * by_latent[1 + j]
        for k in range(rows.index.shape[1]):
            eta[i] += rows.weight[i, k] * by_latent[rows.index[i, k]]
    return eta


@settings(deadline=None)
@given(coded_rows())
def test_the_sums_are_those_of_the_terms(case: tuple[DesignRows, int]):
    rows, n_latents = case
    by_latent = np.random.default_rng(1).normal(size=(n_latents, N_DRAWS)).astype(np.float32)

    combined = combine(rows)
    if combined is None:
        return
    latents = with_blocks(by_latent, combined)
    out = np.empty((rows.x.shape[0], N_DRAWS), dtype=np.float32)
    made = linear_predictor(latents, combined.rows, 0, out.shape[0], out=out)

    assert combined.rows.index.shape[1] <= rows.index.shape[1]
    assert_allclose(made, plainly(rows, by_latent), atol=1e-5)


def crossed() -> DesignRows:
    """30 districts, 4 ages, 2 sexes: an effect of each, one of ages within sexes, a predictor of districts."""
    district, age, sex = (part.ravel() for part in np.indices((30, 4, 2)))
    index = np.stack([2 + district, 32 + age, 36 + sex, 38 + 2 * age + sex], axis=1).astype(np.int32)
    return DesignRows(x=district[:, None] / 30, index=index, weight=np.ones(index.shape))


def test_terms_of_the_same_few_columns_become_one_and_a_predictor_joins_its_own():
    combined = combine(crossed())

    assert combined is not None
    assert [block.x.shape[0] for block in combined.blocks] == [8, 30]
    assert combined.rows.index.shape == (240, 2)
    # The predictor of districts is in the block of districts.
    assert combined.coefficients.size == 0
    assert not combined.blocks[0].x.any()
    assert_array_equal(np.unique(combined.blocks[1].x[:, 0]), np.arange(30) / 30)


@pytest.mark.parametrize("n", [0, 1, 20])
def test_few_cells_are_left_as_they_are(n: int):
    rows = crossed()
    few = DesignRows(x=rows.x[:n], index=rows.index[:n], weight=rows.weight[:n])

    combined = combine(few)

    assert combined is None or combined.rows.index.shape[0] == n


def test_every_cell_a_combination_of_its_own_leaves_nothing_to_be_gained():
    index = np.stack([np.arange(50), 50 + np.arange(50)], axis=1).astype(np.int32)
    assert combine(DesignRows(x=np.empty((50, 0)), index=index, weight=np.ones((50, 2)))) is None
