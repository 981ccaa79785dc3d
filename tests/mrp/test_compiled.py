"""Compiled densities: what they are compiled for, and that data and neighbours do not mix."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mrp import compiled
from mrp.compiled import CompiledDensities, SampledForm


@dataclass(frozen=True, slots=True)
class Line:
    """A normal regression of ``y`` on ``x``."""

    n: int

    def declare(self, data: Mapping[str, Any]) -> None:
        import pymc as pm
        import pytensor.tensor as pt

        slope = pm.Flat("slope", shape=self.n)
        pm.Potential("prior", -0.5 * pt.sum((slope / data["scale"]) ** 2))
        which = slope[data["which"]]
        pm.Potential("likelihood", -0.5 * pt.sum((data["y"] - which[0] * data["x"][1] - data["x"][0]) ** 2))


def line(*, n_cells: int = 5, seed: int = 1) -> SampledForm:
    rng = np.random.default_rng(seed)
    cells = {
        "x": rng.normal(size=(2, n_cells)),
        "y": rng.normal(size=n_cells),
        "which": rng.integers(0, 3, (1, n_cells)),
    }
    return SampledForm(Line(3), {"scale": np.array([0.5, 1.0, 2.0])}, cells, np.zeros(3))


def test_numbers_in_a_row_are_taken_apart_again():
    form = line()
    log_density = form.model().compile_logp(mode="FAST_COMPILE")
    slope = np.array([0.3, -0.2, 0.7])
    residual = form.cells["y"] - slope[form.cells["which"][0]] * form.cells["x"][1] - form.cells["x"][0]

    expected = -0.5 * ((slope / [0.5, 1.0, 2.0]) ** 2).sum() - 0.5 * (residual**2).sum()
    assert float(log_density({"slope": slope})) == pytest.approx(expected, rel=1e-12)


def test_other_cells_and_numbers_are_the_same_key_and_other_shapes_another():
    form = line()

    assert form.key == line(n_cells=9, seed=2).key == form.example().key
    assert form.key != replace(form, structure=Line(4)).key
    assert form.key != replace(form, fixed={"scale": np.ones(1)}).key
    assert form.key != replace(form, cells={**form.cells, "y": form.cells["which"][0]}).key


def test_an_example_holds_nothing_of_the_data():
    assert line().example().numbers.tolist() == [0.0] * (3 + 4)


def test_a_structure_is_compiled_once_even_for_several_threads_and_the_oldest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
):
    made: list[Any] = []

    @dataclass(frozen=True)
    class Fake:
        structure: Any
        numbers: Any = None
        initial_point_func: Any = None

        def with_data(self, numbers: Any) -> "Fake":
            return replace(self, numbers=numbers)

    monkeypatch.setattr(compiled, "_compile", lambda form: made.append(form.structure) or Fake(form.structure))
    kept = CompiledDensities(limit=2)
    got: dict[int, Any] = {}
    threads = [threading.Thread(target=lambda i=i: got.__setitem__(i, kept.get(line(seed=i)))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == [Line(3)]
    for i in range(8):
        assert_array_equal(got[i].numbers, line(seed=i).numbers)
    for n in (4, 5, 5, 4, 3):  # the first two fill it, the last was thrown away for them
        kept.get(replace(line(), structure=Line(n)))
    assert made == [Line(3), Line(4), Line(5), Line(3)]
    assert len(kept) == 2


def test_chains_start_within_one_of_the_start_and_the_same_for_a_seed():
    start = compiled._Scattered(np.array([5.0, -5.0]))

    assert_array_equal(start(3), start(3))
    assert not np.array_equal(start(3), start(4))
    assert_allclose(start(3), [5.0, -5.0], atol=1.0)
