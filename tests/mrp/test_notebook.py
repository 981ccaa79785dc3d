"""What somebody in a notebook meets: the names that are promised, and one clear error for what makes no sense."""

import re
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

import mrp
from mrp.errors import CountsError, FormulaError, FrameError, SamplingError
from mrp.laplace.engine import fit_laplace
from tests.mrp.polls import OBSERVED, WORLD


def latents_of(design: mrp.Design) -> mrp.LatentDraws:
    return mrp.LatentDraws(np.zeros((2, design.n_latents), dtype=np.float32), design.latent_names)


def test_every_name_and_module_that_is_promised_is_there_after_one_import_and_brings_no_sampler():
    modules = sorted(set(re.findall(r"`mrp\.(\w+)`", mrp.__doc__ or "")))
    assert {"contrast", "change", "seats", "raking", "direct", "mix_and_mind"} <= set(modules)
    code = (
        "import sys, mrp\n"
        f"missing = {{*mrp.__all__, *{modules!r}}} - set(dir(mrp))\n"
        f"missing |= {{name for name in {modules!r} if getattr(mrp, name).__name__ != f'mrp.{{name}}'}}\n"
        "print(*missing, *({'pymc'} & set(sys.modules)))"
    )
    wrong = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert wrong.split() == []


@pytest.mark.parametrize("names", [("area_draws", "poststratify"), ("poststratify", "area_draws")])
def test_a_name_is_a_function_whatever_was_imported_before(names: tuple[str, ...]):
    code = "".join(f"from mrp import {name}\n" for name in names) + f"print(all(map(callable, ({', '.join(names)}))))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["True"]


@pytest.mark.parametrize("seed", [-1, 1.5, None, "1"])
def test_a_seed_that_is_none_is_refused_by_everything_that_fits(seed: Any):
    design = mrp.build_design("(1|age)", WORLD)
    counts = pl.DataFrame({"age": ["18-29", "65+"], "n": [5, 5], "y": [2, 4]})
    for fit in (
        lambda: mrp.fit_model(design, WORLD, counts, mrp.Priors(), engine="laplace", seed=seed),
        lambda: fit_laplace(design, counts, mrp.Priors(), seed=seed),
        lambda: mrp.sample_nuts(design, counts, mrp.Priors(), seed=seed),
    ):
        with pytest.raises(SamplingError, match="it must be a whole number >= 0, such as 1"):
            fit()


def test_a_column_of_weights_that_no_weighted_counts_have_is_refused():
    design = mrp.build_design("(1|age)", WORLD)
    counts = pl.DataFrame({"age": ["18-29", "65+"], "n": [5, 5], "y": [2, 4], "weight": [1.0, 1.0]})
    with pytest.raises(
        CountsError, match="have a column 'weight' and no weight_y, weight_square, which weighted counts"
    ):
        mrp.fit_model(design, WORLD, counts, mrp.Priors(), engine="laplace", seed=1)


def test_counts_of_nobody_are_told_in_words_of_a_notebook():
    design = mrp.build_design("(1|age)", WORLD)
    counts = pl.DataFrame({"age": ["18-29"], "n": [0], "y": [0]})
    with pytest.raises(
        CountsError, match="no answer to fit: the counts are of no interview; look at what they are made"
    ):
        mrp.fit_model(design, WORLD, counts, mrp.Priors(), engine="laplace", seed=1)


def test_what_a_term_of_time_lacks_is_named_and_is_there():
    with pytest.raises(FormulaError, match=r"observed=mrp\.observed_levels\(interviews\)"):
        mrp.build_design("rw1(period)", WORLD)

    interviews = pl.DataFrame({"period": ["wave 10", "wave 9", "wave 2", None]})
    design = mrp.build_design("rw1(period)", WORLD, observed=mrp.observed_levels(interviews))

    assert design.observed == {"period": ("wave 2", "wave 9", "wave 10")}
    assert design.period == "wave 10"


@pytest.mark.parametrize(
    ("periods", "levels"),
    [
        (pl.Series(["summer", "spring"], dtype=pl.Enum(["spring", "summer", "autumn"])), ("spring", "summer")),
        (pl.Series(["w10", "w9"], dtype=pl.Categorical), ("w9", "w10")),
        (pl.Series([10, 9, 9]), ("9", "10")),
    ],
)
def test_an_order_that_was_declared_is_kept(periods: pl.Series, levels: tuple[str, ...]):
    assert mrp.observed_levels(pl.DataFrame({"period": periods})) == {"period": levels}


@pytest.mark.parametrize(
    ("observed", "message"),
    [
        ({"perod": ("1", "2")}, "observed has levels of 'perod'; it may have those of period, pollster, mode"),
        ({"period": (1, 2)}, r"the levels of period in observed must be text, got 1 \(int\); take them from"),
        ({"period": "2024"}, "must be a list, got '2024'"),
    ],
)
def test_levels_that_are_none_are_refused(observed: Mapping[str, Any], message: str):
    with pytest.raises(CountsError, match=message):
        mrp.build_design("(1|age)", WORLD, observed=observed)


@pytest.mark.parametrize(
    ("formula", "at", "message"),
    [
        ("(1|age)", {"foo": "A"}, r"at has foo 'A', which the model .* does not read; leave it out"),
        ("(1|age)", {"period": "2024-W01"}, r"at has period .* does not read; leave it out"),
        ("rw1(period)", {"foo": "A"}, "does not read; it may have period"),
        ("house(pollster)", {"pollster": "Ask"}, "a prediction is for no pollster in particular; leave it out"),
        ("(1|age)", {"mode": "web"}, "a prediction is for no mode in particular"),
    ],
)
def test_a_level_to_look_at_that_changes_nothing_is_refused(formula: str, at: Mapping[str, str], message: str):
    design = mrp.build_design(formula, WORLD, observed=OBSERVED)
    with pytest.raises(FrameError, match=message):
        mrp.area_draws(latents_of(design), design, WORLD, at=at)
