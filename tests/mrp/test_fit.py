"""Fit and judge: the fast engine where it passes, NUTS where it does not."""

from numbers import Number
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr
from numpy.testing import assert_array_equal

from mrp.attributes import facts_of
from mrp.design import build_design
from mrp.diagnostics import diagnose
from mrp.errors import SamplingError
from mrp.fit import FittedModel, default_estimates, fit_model
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.latents import LatentDraws, from_datatree
from mrp.nuts import NutsSettings
from mrp.priors import HalfNormal, Priors
from mrp.progress import Progress
from mrp.verdict import FitVerdict, Problem, judge_laplace, judge_nuts
from tests.mrp.worlds import FORMULA


def test_a_laplace_fit_that_passes_is_the_fit(fitted):
    model = fit_model(fitted.design, fitted.electorate, fitted.counts, Priors(), engine="laplace", seed=1)

    assert model.verdict.publishable
    assert (model.engine, model.escalated) == ("laplace", ())
    assert model.latents.points is not None
    report = model.diagnostics()
    assert report["escalated"] == []
    assert report["k_hat_joint"] < 0.7
    assert {row["name"] for row in report["parameters"]} >= {"intercept", "sd (1|age)", "(1|age)[65+]"}
    assert all(row["mcse"] < 0.1 * row["sd"] for row in report["parameters"])


def test_a_fit_is_shown_in_a_few_lines_of_words(fitted):
    latents = LatentDraws(np.zeros((1500, fitted.design.n_latents), dtype=np.float32), fitted.design.latent_names)
    priors = Priors(by_term={"(1|age)": HalfNormal(1.0)})
    passed = FittedModel(fitted.design, priors, fitted.tree, latents, FitVerdict(warnings=("few polls",)), "laplace")
    verdict = FitVerdict((Problem("r-hat", "R-hat of x is 1.2"), Problem("divergences", "3 divergences")))
    why = (Problem("k-hat", "k-hat is 0.9"),)
    failed = FittedModel(fitted.design, Priors(), fitted.tree, latents, verdict, "nuts", why)

    lines = repr(passed).splitlines()
    assert lines[:5] == [
        f"FittedModel of {FORMULA!r}",
        "  engine: laplace",
        "  verdict: publishable",
        "  warning: few polls",
        f"  draws: 1,500 of {fitted.design.n_latents} latents",
    ]
    assert "    (1|age): normal(0, sd) with sd ~ half_normal(1)" in lines
    assert len(repr(passed)) < 1500
    assert "  engine: nuts, as the Laplace engine did not pass: k-hat is 0.9\n" in repr(failed)
    assert "  verdict: not publishable; R-hat of x is 1.2; 3 divergences\n" in repr(failed)


def test_a_fit_with_one_pollster_says_that_it_knows_of_no_house_effect(fitted):
    counts = fitted.counts.with_columns(pollster=pl.lit("Ask"))
    design = build_design("sex + (1|age) + house(pollster)", fitted.electorate, observed={"pollster": ("Ask",)})

    model = fit_model(design, fitted.electorate, counts, Priors(), engine="laplace", seed=1)

    assert model.verdict.publishable
    (said,) = model.verdict.warnings
    assert said.startswith("house(pollster) is left out: there is one pollster only (Ask)")
    assert f"  warning: {said}" in repr(model).splitlines()


@pytest.mark.parametrize("engine", ["laplace", "nuts"])
def test_the_draws_of_a_fit_can_be_written_and_read(fitted, engine: str, tmp_path: Path):
    tree = fitted.tree
    if engine == "laplace":
        tree = fit_laplace(fitted.design, fitted.counts, Priors(), seed=1)
    tree = tree.copy()
    tree.attrs["warnings"] = ["few polls"]

    tree.to_zarr(tmp_path / "fit.zarr", consolidated=False)
    again = xr.open_datatree(tmp_path / "fit.zarr", engine="zarr", consolidated=False)

    assert facts_of(again) == facts_of(tree)
    assert set(facts_of(again)["versions"]) >= {"numpy"}
    assert_array_equal(from_datatree(again, fitted.design).draws, from_datatree(tree, fitted.design).draws)
    one, other = ({row["name"]: row for row in diagnose(of)["parameters"]} for of in (tree, again))
    assert one == other
    verdict = judge_laplace(again, ()) if engine == "laplace" else judge_nuts(again)
    assert verdict.publishable
    assert verdict.warnings == ("few polls",)
    # NetCDF has no other attributes, and gives a list of one back as the one.
    assert all(type(value) is not bool and isinstance(value, Number | str | list) for value in tree.attrs.values())
    again.attrs["warnings"] = "few polls"
    assert facts_of(again)["warnings"] == ["few polls"]


def test_an_engine_that_is_none_is_refused(fitted):
    with pytest.raises(SamplingError, match="no engine 'Laplace'"):
        fit_model(fitted.design, fitted.electorate, fitted.counts, Priors(), engine="Laplace", seed=1)  # type: ignore[arg-type]


def test_a_laplace_fit_that_does_not_pass_is_made_again_with_nuts_and_says_why(fitted):
    few = LaplaceSettings(points=60, draws=50)
    short = NutsSettings(chains=2, tune=200, draws=100)
    stages: list[str] = []

    def note(step: Progress) -> None:
        stages.append(step.stage)

    model = fit_model(
        fitted.design,
        fitted.electorate,
        fitted.counts,
        Priors(),
        engine="laplace",
        seed=1,
        laplace=few,
        nuts=short,
        on_progress=note,
    )

    assert model.engine == "nuts"
    # 50 draws cannot put the error below a tenth of a standard deviation; their k-hat is a matter of chance.
    assert "mc-error" in {problem.code for problem in model.escalated}
    assert any("sds, limit 0.1" in reason for reason in model.diagnostics()["escalated"])
    assert stages.index("explore") < stages.index("sample")
    assert model.latents.points is None


def test_nuts_is_used_when_it_is_asked_for(fitted):
    short = NutsSettings(chains=2, tune=200, draws=100)
    model = fit_model(fitted.design, fitted.electorate, fitted.counts, Priors(), engine="nuts", seed=1, nuts=short)

    assert (model.engine, model.escalated) == ("nuts", ())
    assert model.tree.attrs["engine"] == "nuts"
    # 200 draws cannot have 400 effective ones: the fit is judged like any other.
    assert not model.verdict.publishable


@pytest.mark.parametrize("stage", ["k_hat_sd", "k_hat_joint"])
@pytest.mark.parametrize("value", [0.71, float("inf"), float("nan")])
def test_weights_that_cannot_be_trusted_fail_the_verdict(fitted, stage: str, value: float):
    model = fit_model(fitted.design, fitted.electorate, fitted.counts, Priors(), engine="laplace", seed=1)
    model.tree.attrs[stage] = value

    verdict = judge_laplace(model.tree, default_estimates(model.latents, fitted.design, fitted.electorate))

    assert [problem.code for problem in verdict.problems] == ["k-hat"]


def test_a_term_that_does_not_move_the_prediction_fails_the_verdict(fitted):
    model = fit_model(fitted.design, fitted.electorate, fitted.counts, Priors(), engine="laplace", seed=1)
    lost = Problem("term-parity", "(1|age) is lost")

    assert judge_laplace(model.tree, (), (lost,)).problems == (lost,)
