"""Sampling: structure, progress, reproducibility. One model is fitted per session; see `conftest`."""

import itertools

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from mrp import nuts
from mrp.attributes import facts_of
from mrp.compiled import CompiledDensities
from mrp.counts import collapse
from mrp.design import build_design
from mrp.diagnostics import diagnose
from mrp.errors import CountsError, SamplingError
from mrp.nuts import NutsSettings, sample_nuts
from mrp.parity import term_parity
from mrp.priors import Priors
from mrp.progress import Progress
from mrp.verdict import judge_nuts
from tests.mrp.worlds import electorate, interview, plant

WORLD = electorate()
SHORT = NutsSettings(chains=2, tune=100, draws=50)


def small():
    """The quickest model there is to compile."""
    design = build_design("lean", WORLD)
    interviews = interview(WORLD, plant(design, WORLD.frame, seed=1), n=200, seed=2)
    return design, collapse(interviews, by=WORLD.cell_columns, answer="answer", option="yes")


def test_a_default_fit_is_publishable(fitted):
    verdict = judge_nuts(fitted.tree, term_parity(fitted.design, fitted.electorate))
    assert verdict.problems == ()


def test_the_fit_has_the_variables_of_the_model_with_named_levels(fitted):
    posterior = fitted.tree["posterior"]

    assert posterior["intercept"].dims == ("chain", "draw")
    assert list(posterior["(1|age)"].coords["(1|age) level"].to_numpy()) == ["18-29", "30-44", "45-64", "65+"]
    assert {f"sd {effect.term}" for effect in fitted.design.effects} <= set(posterior.data_vars)
    assert fitted.tree.attrs["engine"] == "nuts"
    assert fitted.tree.attrs["seed"] == 4
    assert set(facts_of(fitted.tree)["seconds"]) == {"prepare", "compile", "sample", "collect"}


def test_progress_goes_from_nothing_to_everything(fitted):
    steps = fitted.progress

    assert [stage for stage, _ in itertools.groupby(steps, lambda step: step.stage)] == [
        "prepare",
        "compile",
        "sample",
        "collect",
    ]
    assert steps[0].share == 0
    assert steps[-1].share == 1
    assert all(a.share <= b.share for a, b in itertools.pairwise(steps))


def test_diagnostics_tell_every_parameter_and_the_worst(fitted):
    report = diagnose(fitted.tree)

    names = [row["name"] for row in report["parameters"]]
    assert "(1|age)[65+]" in names
    assert "coefficient[lean]" in names
    assert report["divergences"] == 0
    assert len(report["e_bfmi"]) == 4
    assert report["worst"]["r_hat"][0]["r_hat"] == max(
        row["r_hat"] for row in report["parameters"] + report["worst"]["r_hat"]
    )
    assert report["tree_depth"]["most"] >= report["tree_depth"]["mean"] > 0
    assert 0 < report["acceptance"] <= 1


def test_the_same_seed_gives_the_same_draws_and_another_seed_others():
    design, counts = small()
    one, same, other = (
        sample_nuts(design, counts, Priors(), seed=seed, settings=SHORT)["posterior"]["intercept"].to_numpy()
        for seed in (1, 1, 2)
    )

    assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_draws_are_the_same_whether_compiled_anew_or_for_other_data(monkeypatch: pytest.MonkeyPatch):
    design, counts = small()
    other = interview(WORLD, plant(design, WORLD.frame, seed=8), n=60, seed=9)
    other_counts = collapse(other, by=WORLD.cell_columns, answer="answer", option="yes")
    assert other_counts.height != counts.height

    def intercepts(kept: CompiledDensities, *fits: pl.DataFrame) -> np.ndarray:
        monkeypatch.setattr(nuts, "_COMPILED", kept)
        return [sample_nuts(design, fit, Priors(), seed=1, settings=SHORT)["posterior"] for fit in fits][-1][
            "intercept"
        ]

    kept = CompiledDensities(limit=1)
    after_another = intercepts(kept, other_counts, counts)
    assert len(kept) == 1
    assert_array_equal(after_another, intercepts(CompiledDensities(limit=1), counts))


def test_a_run_that_does_not_deserve_publication_is_made_once_more_with_more_draws():
    design, counts = small()
    stages: list[str] = []
    tree = sample_nuts(
        design, counts, Priors(), seed=1, settings=SHORT, on_progress=lambda step: stages.append(step.stage)
    )

    # 100 draws cannot have 400 effective ones, nor can 200.
    assert "sample again" in stages
    assert facts_of(tree)["retried"] is True
    assert tree.attrs["target_accept"] == SHORT.retry_target_accept
    assert tree["posterior"].sizes["draw"] == 100
    assert not judge_nuts(tree).publishable


def test_a_listener_that_raises_stops_the_sampler():
    design, counts = small()

    def stop(step: Progress) -> None:
        if step.stage == "sample" and step.expected_end_s is not None:
            raise KeyError("enough")

    endless = NutsSettings(chains=2, tune=500, draws=200_000)
    with pytest.raises(KeyError, match="enough"):
        sample_nuts(design, counts, Priors(), seed=1, settings=endless, on_progress=stop)


def test_counts_of_an_unknown_cell_or_of_nobody_are_refused():
    design = build_design("(1|district)", WORLD)
    _, counts = small()

    with pytest.raises(CountsError, match="there are interviews in D99, which the model does not know"):
        sample_nuts(design, counts.head(1).with_columns(district=np.array(["D99"])), Priors(), seed=1)
    with pytest.raises(CountsError, match="no answer to fit"):
        sample_nuts(design, counts[:0], Priors(), seed=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (NutsSettings(chains=0), "chains is 0; NUTS needs at least 1"),
        (NutsSettings(draws=2), "draws is 2; NUTS needs at least 4"),
        (NutsSettings(target_accept=1.0), r"target_accept is 1\.0; it must be above 0 and below 1"),
    ],
)
def test_settings_the_sampler_cannot_start_with_are_refused(settings: NutsSettings, message: str):
    design, counts = small()
    with pytest.raises(SamplingError, match=message):
        sample_nuts(design, counts, Priors(), seed=1, settings=settings)


@pytest.mark.slow
def test_pymc_on_the_definition_gives_the_same_posterior(fitted):
    """Means of all latents within Monte-Carlo error of a run of PyMC's own sampler on `build_model`."""
    import pymc as pm

    from mrp.convergence import convergence
    from mrp.model import build_model

    model = build_model(fitted.design, fitted.counts, Priors())
    with model:
        reference = pm.sample(2000, tune=1500, chains=4, cores=2, target_accept=0.98, random_seed=5, progressbar=False)
    ours = {row.name: row for row in convergence(fitted.tree) if row.group == "posterior"}
    theirs = {row.name: row for row in convergence(reference) if row.group == "posterior"}
    assert set(ours) == set(theirs)
    for name, row in ours.items():
        error = np.hypot(row.mcse, theirs[name].mcse)
        assert abs(row.mean - theirs[name].mean) < 4.5 * error, name
        assert abs(np.log(row.sd / theirs[name].sd)) < 0.15, name


def test_a_verdict_names_the_sampler_s_coordinates_by_the_terms_they_belong_to(fitted):
    from mrp.convergence import convergence

    names = {row.name for row in convergence(fitted.tree) if row.group == "sampled"}

    assert {"sd[(1|age)]", "z[(age) direction 1]"} <= names
    assert "free[direction 1 of intercept and coefficients]" in names
