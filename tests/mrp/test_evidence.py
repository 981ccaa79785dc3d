"""What is kept of a fit: it can be read again, and gives the numbers that were printed."""

import io
import re
import warnings
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mrp import Priors, build_design
from mrp.errors import DrawsError
from mrp.evidence import Evidence, hyper_names, kept_tree
from mrp.figures import CATALOGUE, draw_figures
from mrp.fit import FittedModel, fit_model
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from tests.mrp.maps import EIGHT, on_map
from tests.mrp.worlds import electorate

WORLD = on_map(electorate(n_districts=6, seed=5), EIGHT[:5])
DESIGN = build_design("lean + bym2(district) + (sex|age)", WORLD)


PARAMETERS = ("sd", "correlation", "mixing")


def interviews() -> pl.DataFrame:
    rng = np.random.default_rng(3)
    cells = WORLD.frame.select(WORLD.district, *WORLD.demographics)
    n = rng.integers(1, 12, cells.height)
    return cells.with_columns(n=pl.Series(n), y=pl.Series(rng.binomial(n, 0.55)))


@pytest.fixture(scope="module", params=["laplace", "nuts"])
def fitted(request: pytest.FixtureRequest) -> FittedModel:
    return fit_model(
        DESIGN,
        WORLD,
        interviews(),
        Priors(),
        engine=request.param,
        seed=4,
        laplace=LaplaceSettings(points=100, draws=400, threads=1),
        nuts=NutsSettings(chains=2, tune=200, draws=150, cores=1),
    )


@pytest.fixture(scope="module")
def tree(fitted: FittedModel) -> Any:
    return kept_tree(fitted.latents, Evidence.from_bytes(fitted.evidence.to_bytes()), DESIGN)


def test_every_parameter_of_the_fit_is_in_what_is_kept(fitted: FittedModel, tree: Any):
    kept, made = tree["posterior"], fitted.tree["posterior"]
    for name in kept.data_vars:
        step = -(-made.sizes["draw"] // kept.sizes["draw"])
        own = made[name].to_numpy()[:, step - 1 :: step]
        assert_allclose(kept[name].to_numpy(), own, rtol=1e-6, atol=1e-6)


def test_arviz_finds_the_printed_summary_in_the_file(fitted: FittedModel, tree: Any, tmp_path: Path):
    import arviz

    tree.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    read = arviz.from_netcdf(tmp_path / "fit.nc")
    # Tails where the verdict looks at them: ArviZ takes this and its complement for the two quantiles.
    with warnings.catch_warnings(), arviz.rc_context({"stats.ci_prob": 0.95}):
        warnings.simplefilter("ignore")  # of parameters that hardly move
        summary = arviz.summary(read, round_to="none")
    printed = {row["name"]: row for row in fitted.diagnostics()["parameters"]}
    assert set(printed) == set(summary.index)
    columns = {"mean": "mean", "sd": "sd"} | (
        {"r_hat": "r_hat", "ess_bulk": "ess_bulk", "ess_tail": "ess_tail", "mcse": "mcse_mean"}
        if fitted.engine == "nuts"
        else {}
    )
    for ours, theirs in columns.items():
        found = [printed[name][ours] for name in summary.index]
        # Draws are kept in single precision, which may move a rank by one; four digits are printed.
        near = 1e-5 if ours in ("mean", "sd", "mcse") else 2e-3
        assert_allclose(found, summary[theirs].to_numpy(dtype=float), rtol=near, atol=1e-6, err_msg=ours)
    read.close()


def test_statistics_of_the_sampler_are_those_of_the_kept_draws(fitted: FittedModel, tree: Any):
    stats = tree["sample_stats"]
    if fitted.engine == "nuts":
        assert {"energy", "diverging", "tree_depth"} <= set(stats.data_vars)
        assert_allclose(stats["energy"].to_numpy(), fitted.tree["sample_stats"]["energy"].to_numpy(), rtol=1e-6)
    else:
        assert_array_equal(stats["point"].to_numpy().ravel(), fitted.latents.points)
        explored = tree["exploration"]
        weight = np.exp(explored["log_weight_sd"].to_numpy() - explored["log_weight_sd"].to_numpy().max())
        # Before its largest weights are smoothed, the effective number differs little.
        assert_allclose((weight.sum() ** 2) / (weight**2).sum(), fitted.tree.attrs["ess_sd"], rtol=0.1)


def test_hypers_have_the_names_of_the_summary():
    assert hyper_names(DESIGN) == (
        "sd bym2(district)",
        "sd (1+sex|age)[1]",
        "sd (1+sex|age)[sex[male]]",
        "correlation (1+sex|age)",
        "mixing bym2(district)",
    )


def test_priors_stand_beside_what_became_of_them(tree: Any):
    prior = tree["prior"]
    n = prior["sd bym2(district)"].size

    assert set(prior.data_vars) == {name for name in tree["posterior"].data_vars if str(name).split()[0] in PARAMETERS}
    # As many quantiles as draws, so that chance has no part in it.
    assert abs(float((prior["mixing bym2(district)"] < 0.5).mean()) - 0.67) < 1.5 / n
    assert abs(float((prior["correlation (1+sex|age)"] < 0).mean()) - 0.5) < 1.5 / n


def test_without_evidence_there_are_the_latents(fitted: FittedModel):
    tree = kept_tree(fitted.latents, None, DESIGN)
    assert list(tree.children) == ["posterior"]
    assert not [name for name in tree["posterior"].data_vars if str(name).startswith("sd ")]


def test_bytes_that_are_no_evidence_are_refused():
    with pytest.raises(DrawsError, match="12 bytes are not the evidence"):
        Evidence.from_bytes(b"0123456789ab")


def test_pictures_are_drawn_the_same_each_time_and_say_what_they_show(fitted: FittedModel, tree: Any):
    compared = {"difference": [0.02, -0.3], "log_sd_ratio": [0.01, 0.0]}
    figures = draw_figures(tree, engine=fitted.engine, confirmation=compared)
    assert [one.kind.name for one in figures] == [
        kind.name for kind in CATALOGUE if kind.engine in (None, fitted.engine)
    ]
    if fitted.engine == "laplace":  # of NUTS it takes longer and shows nothing else
        again = draw_figures(tree, engine=fitted.engine, confirmation=compared)
        assert [one.svg for one in again] == [one.svg for one in figures]
    for one in figures:
        assert one.svg.startswith("<svg")
        assert 'role="img"' in one.svg
        assert f'<title id="figure-{one.kind.name}">' in one.svg
        assert "<script" not in one.svg
        assert len(one.svg) < 150_000, one.kind.name
        # A page may hold several, under a policy that forbids inline styles.
        root = ElementTree.fromstring(one.svg)
        ids = [element.get("id") for element in root.iter() if element.get("id")]
        assert len(ids) == len(set(ids))
        assert all(one.kind.name in str(name) for name in ids)
        assert not [element.tag for element in root.iter() if element.get("style") or element.tag.endswith("style")]
        referred = re.findall(r'(?:href="|url\()([^")]*)', one.svg)
        assert {target.removeprefix("#") for target in referred} <= set(ids)


def test_what_is_kept_is_small(fitted: FittedModel):
    assert len(fitted.evidence.to_bytes()) < 0.5 * len(fitted.latents.to_bytes())
    with np.load(io.BytesIO(fitted.evidence.to_bytes()), allow_pickle=False) as stored:
        assert not {"n", "y", "counts"} & set(stored.files)
