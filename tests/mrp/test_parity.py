import dataclasses

import numpy as np
import pytest

import mrp.cell_pass
from mrp.design import Design, build_design
from mrp.parity import term_parity
from tests.mrp.maps import EIGHT, on_map
from tests.mrp.worlds import FORMULA, electorate

WORLD = electorate()
DESIGN = build_design(FORMULA + " + region + (1|region)", WORLD)


@pytest.mark.parametrize("formula", [FORMULA, "1", "lean", "sex + age", "region + (1|region:age)", "(1|age)"])
def test_every_term_of_a_sound_model_moves_the_prediction(formula: str):
    assert term_parity(build_design(formula, WORLD), WORLD) == ()


@pytest.mark.parametrize("formula", ["icar(district)", "bym2(district) + (1|region)"])
def test_effects_on_a_map_move_their_districts(formula: str):
    world = on_map(electorate(n_districts=8), EIGHT)
    assert term_parity(build_design(formula, world), world) == ()


@pytest.mark.parametrize("term", range(4))
def test_an_effect_that_poststratification_forgets_is_found(term: int, monkeypatch):
    """The fault that gave the check its reason: a term is in the likelihood and not in the prediction."""
    add_up = mrp.poststratification.add_up

    def forgetful(total, draws, rows, weights):
        index, weight = (np.delete(part, term, axis=1) for part in (rows.index, rows.weight))
        add_up(total, draws, dataclasses.replace(rows, index=index, weight=weight), weights)

    monkeypatch.setattr("mrp.poststratification.add_up", forgetful)

    (problem,) = term_parity(DESIGN, WORLD)
    assert problem.code == "term-parity"
    assert problem.message.startswith(DESIGN.effects[term].term)


def test_a_coefficient_that_poststratification_forgets_is_found(monkeypatch):
    add_terms = mrp.cell_pass._add_terms

    def forgetful(eta, by_latent, x, index, weight):
        blinded = x.copy()
        blinded[:, 0] = 0
        add_terms(eta, by_latent, blinded, index, weight)

    monkeypatch.setattr("mrp.cell_pass._add_terms", forgetful)

    assert [problem.message.split()[0] for problem in term_parity(DESIGN, WORLD)] == ["lean"]


def test_levels_that_are_mixed_up_are_found():
    age = DESIGN.effects[1]
    swapped = dataclasses.replace(age.factors[0], index=age.factors[0].index[::-1].copy())
    effects = (DESIGN.effects[0], dataclasses.replace(age, factors=(swapped,)), *DESIGN.effects[2:])
    wrong: Design = dataclasses.replace(DESIGN, effects=effects)

    (problem,) = term_parity(wrong, WORLD)
    assert problem.message.startswith("(1|age)[18-29]")
