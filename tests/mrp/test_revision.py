import dataclasses

import numpy as np
import pytest

from mrp.revision import FitInputs, revision
from tests.mrp.answers import estimate_of

INPUTS = FitInputs(frozenset({"w1", "w2"}), "frame-1", "model-1")


def test_a_revision_by_hand():
    before = estimate_of([[0.4, 0.1], [0.6, 0.1]], names=["A", "B"])
    after = estimate_of([[0.5, 0.3], [0.7, 0.3]], names=["A", "C"])
    found = revision(before, after, inputs_before=INPUTS, inputs_after=INPUTS)
    (one,) = found.areas
    assert (one.area, one.before, one.after) == ({"district": "A"}, pytest.approx(0.5), pytest.approx(0.6))
    assert one.difference == pytest.approx(0.1)
    assert one.mc_error == pytest.approx(np.sqrt(2) * 0.1 / np.sqrt(2))
    assert found.appeared == ({"district": "C"},)
    assert found.gone == ({"district": "B"},)
    assert not hasattr(one, "p_rise")  # the fits share interviews: no probability


@pytest.mark.parametrize(
    ("changed", "causes"),
    [
        ({}, ("simulation",)),
        ({"waves": frozenset({"w1", "w2", "w3"})}, ("data",)),
        ({"frame": "frame-2"}, ("frame",)),
        ({"model": "model-2", "waves": frozenset({"w1"})}, ("data", "model")),
    ],
)
def test_a_revision_names_its_causes(changed, causes):
    estimate = estimate_of([[0.4], [0.6]])
    later = dataclasses.replace(INPUTS, **changed)
    assert revision(estimate, estimate, inputs_before=INPUTS, inputs_after=later).causes == causes


def test_simulation_alone_seldom_moves_an_estimate_by_more_than_twice_its_error():
    rng = np.random.default_rng(1)
    names = [*map(str, range(400))]
    before, after = (estimate_of(rng.normal(0.5, 0.05, (400, 400)), names=names) for _ in range(2))
    found = revision(before, after, inputs_before=INPUTS, inputs_after=INPUTS)
    beyond = sum(one.beyond_simulation for one in found.areas)
    assert 3 <= beyond <= 40  # 4.6% of 400 are 18; both limits beyond 1 in 10,000
