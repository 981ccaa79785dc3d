"""Which terms tell people apart: against the definition, cell by cell, and in words."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mrp import build_design
from mrp.diagnosis import diagnosis_in_words, variation_in_words
from mrp.grouping import cells_of
from mrp.latents import LatentDraws
from mrp.variation import term_variation
from tests.mrp.worlds import electorate

WORLD = electorate(n_districts=5, seed=8)
DESIGN = build_design("lean + sex + (1|district) + (1|sex:age)", WORLD)


def latents(scale: dict[str, float], seed: int = 1) -> LatentDraws:
    rng = np.random.default_rng(seed)
    draws = np.zeros((60, DESIGN.n_latents), dtype=np.float32)
    for name, block in DESIGN.blocks:
        width = block.stop - block.start
        draws[:, block] = scale.get(name, 0.1) * rng.standard_normal((60, width))
    return LatentDraws(draws=draws, names=DESIGN.latent_names)


def test_it_is_the_weighted_deviation_over_cells_of_each_terms_contribution():
    made = latents({"(1|district)": 1.0})
    cells = cells_of(WORLD, WORLD.cell_columns, {})
    rows, people = DESIGN.rows(cells), cells["n_people"].to_numpy().astype(float)
    whole = np.zeros((60, cells.height))
    found = {one.term: one for one in term_variation(made, DESIGN, WORLD)}
    entries = {effect.term: k for k, effect in enumerate(DESIGN.effects)}
    columns = {predictor.name: k for k, predictor in enumerate(DESIGN.predictors)}
    for term, one in found.items():
        if term in entries:
            k = entries[term]
            part = made.draws[:, rows.index[:, k]] * rows.weight[:, k]
        else:
            part = made.draws[:, [1 + columns[term]]] * rows.x[:, columns[term]]
        sds = [np.sqrt(np.average((row - np.average(row, weights=people)) ** 2, weights=people)) for row in part]
        assert_allclose(one.sd, np.mean(sds), rtol=1e-5)
        whole += part
    assert set(found) == {"lean", "sex", "(1|district)", "(1|sex:age)"}
    order = [one.sd for one in term_variation(made, DESIGN, WORLD)]
    assert order == sorted(order, reverse=True)


def test_a_term_that_is_the_same_for_all_is_left_out():
    made = latents({"(1|district)": 0.0, "lean": 0.0})
    assert {one.term for one in term_variation(made, DESIGN, WORLD)} == {"sex", "(1|sex:age)"}


def term(name: str, sd: float, p: float | None) -> dict[str, object]:
    return {"term": name, "sd": sd, "low": sd / 2, "high": 2 * sd, "p_above_next": p}


def test_words_are_as_sure_as_the_probability():
    sds = [("(1|educ)", 0.42, 0.97), ("(1|state)", 0.21, 0.8), ("rw1(age)", 0.2, 0.55), ("x", 0.001, None)]
    first, *others = variation_in_words([term(*one) for one in sds])
    assert first.startswith("What tells people apart most is educ: its typical difference is 0.42 on the scale")
    assert first.endswith("about 10 points of a share near one half.")
    logit = "on the scale of the logit; probability"
    assert others == [
        f"educ explains more of the variation than state (0.42 against 0.21 {logit} 0.97).",
        f"state probably explains more than age (0.21 against 0.20 {logit} 0.80).",
        "Hardly anything comes from x.",
    ]


@pytest.mark.parametrize(
    ("term_name", "called"),
    [
        ("(1|educ:age)", "the combination of educ and age"),
        ("(1+gender|educ)", "how gender works by educ"),
        ("(gender||educ)", "how gender works by educ"),
        ("(1|p|educ)", "educ"),
        ("rw1(period|region)", "period by region"),
        ("rep_share", "rep_share"),
    ],
)
def test_terms_are_called_what_people_call_them(term_name: str, called: str):
    assert f"is {called}:" in variation_in_words([term(term_name, 0.3, None)])[0]


def test_a_fit_that_passed_says_how_and_one_that_did_not_says_why():
    good = {"k_hat_sd": 0.1, "k_hat_joint": None, "ess_sd": 340.0, "ess_joint": 1900.0, "newton_steps": 4.2}
    told = diagnosis_in_words("laplace", good)
    assert told.headline == "The computation can be trusted: it passed all 3 checks."
    assert [check.name for check in told.checks] == ["k-hat-sd", "k-hat-joint", "newton"]
    bad = diagnosis_in_words("laplace", good | {"k_hat_joint": 1.2}, ["Pareto k-hat is 1.20, limit 0.7"])
    assert bad.headline == "This fit was not published: Pareto k-hat is 1.20, limit 0.7."
    assert [check.name for check in bad.checks if not check.passed] == ["k-hat-joint"]
    nuts = {
        "chains": 4,
        "divergences": 3,
        "e_bfmi": [0.9, 0.2],
        "worst": {"r_hat": [{"r_hat": 1.02}], "ess": [{"ess_bulk": 900.0, "ess_tail": 100.0}]},
    }
    told = diagnosis_in_words("nuts", nuts)
    assert [check.passed for check in told.checks] == [False] * 4
    assert told.headline == "0 of 4 checks of the computation passed."
