"""The real-time engine against NUTS, and what it says of itself."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mrp import Priors, area_draws, build_design, collapse, from_datatree, parse_priors, term_parity
from mrp.agreement import Moments, agreement, moments
from mrp.attributes import facts_of
from mrp.design import Design
from mrp.electorate import Electorate
from mrp.errors import CountsError
from mrp.laplace.engine import LaplaceSettings, fit_laplace
from mrp.latents import LatentDraws
from mrp.nuts import NutsSettings, sample_nuts
from mrp.progress import Progress
from tests.mrp.worlds import FORMULA, electorate, interview, plant

QUICK = LaplaceSettings(points=60, draws=200)


def estimates(latents: LatentDraws, design: Design, world: Electorate) -> Moments:
    """All district and one-way demographic estimates."""
    by = [(), (world.district,), *((name,) for name in world.demographics)]
    return moments(*(area_draws(latents, design, world, by=one) for one in by))


@pytest.fixture(scope="module")
def laplace(fitted):
    return fit_laplace(fitted.design, fitted.counts, Priors(), seed=5)


@pytest.fixture(scope="module")
def reference(fitted):
    return estimates(from_datatree(fitted.tree, fitted.design), fitted.design, fitted.electorate)


def test_it_agrees_with_nuts_on_every_estimate(fitted, laplace, reference):
    ours = estimates(from_datatree(laplace, fitted.design), fitted.design, fitted.electorate)
    assert agreement(ours, reference).problems == ()


def test_it_agrees_with_nuts_also_where_the_likelihood_is_corrected_as_for_many_latents(fitted, reference, monkeypatch):
    monkeypatch.setattr("mrp.laplace.conditional._MANY", 1)
    tree = fit_laplace(fitted.design, fitted.counts, Priors(), seed=5)
    ours = estimates(from_datatree(tree, fitted.design), fitted.design, fitted.electorate)
    assert agreement(ours, reference).problems == ()


def test_it_agrees_with_nuts_on_the_sds(fitted, laplace):
    """Means within 3.5 Monte-Carlo errors, which for the sds are mostly those of NUTS."""
    from mrp.convergence import convergence

    theirs = {row.name: row for row in convergence(fitted.tree) if row.name.startswith("sd ")}
    for name, row in theirs.items():
        draws = laplace["posterior"][name].to_numpy().ravel()
        error = np.hypot(row.mcse, draws.std() / np.sqrt(laplace.attrs["ess_sd"]))
        assert abs(draws.mean() - row.mean) < 3.5 * error, name


@pytest.mark.parametrize(
    ("formula", "priors"),
    [
        ("lean + sex + (1|district) + (1|age)", {}),
        ("lean + sex + (1|age) + (1|sex:age)", {}),
        (FORMULA, {"sd": "half_normal(0.1)"}),
        (FORMULA, {"intercept": "normal(0, 0.1)"}),
    ],
    ids=["a term left out", "districts left out", "sds held small", "intercept held at zero"],
)
def test_a_fault_is_found_by_the_comparison(fitted, reference, formula: str, priors: dict[str, str]):
    design = build_design(formula, fitted.electorate)
    tree = fit_laplace(design, fitted.counts, parse_priors(priors), seed=5)
    wrong = estimates(from_datatree(tree, design), design, fitted.electorate)

    assert not agreement(wrong, reference).agrees


def test_two_seeds_of_either_engine_agree(fitted, laplace, reference):
    again = estimates(
        from_datatree(fit_laplace(fitted.design, fitted.counts, Priors(), seed=6), fitted.design),
        fitted.design,
        fitted.electorate,
    )
    first = estimates(from_datatree(laplace, fitted.design), fitted.design, fitted.electorate)
    assert agreement(again, first).problems == ()
    assert agreement(again, reference).problems == ()


def test_sds_of_draws_a_tenth_too_wide_do_not_agree(reference):
    wide = replace(reference, sd=1.2 * reference.sd)
    assert any(problem.startswith("the log sd") for problem in agreement(wide, reference).problems)


def test_means_off_by_a_small_part_everywhere_do_not_agree(reference):
    off = replace(reference, mean=reference.mean + 0.1 * reference.sd)
    assert any("typically" in problem for problem in agreement(off, reference).problems)


def test_a_number_that_is_not_finite_does_not_agree(reference):
    mean = reference.mean.copy()
    mean[3] = np.nan
    assert not agreement(replace(reference, mean=mean), reference).agrees


def test_the_result_has_the_form_of_a_nuts_fit(fitted, laplace):
    ours, theirs = laplace["posterior"], fitted.tree["posterior"]

    assert set(ours.data_vars) == set(theirs.data_vars)
    for name in theirs.data_vars:
        assert ours[name].dims == theirs[name].dims
        assert ours[name].shape[2:] == theirs[name].shape[2:]
    assert ours.sizes["chain"] == 1
    assert term_parity(fitted.design, fitted.electorate) == ()


def test_it_says_how_good_the_approximation_was(laplace):
    facts = facts_of(laplace)

    assert facts["engine"] == "laplace"
    assert facts["k_hat_sd"] < 0.7
    assert facts["k_hat_joint"] < 0.7
    assert 0.3 * facts["points"] < facts["ess_sd"] <= facts["points"]
    assert 0.5 * facts["draws"] < facts["ess_joint"] <= facts["draws"]
    assert 1 <= facts["newton_steps"] < 10
    assert set(facts["seconds"]) == {"prepare", "explore", "draw"}


def test_a_tail_that_seems_heavy_is_judged_by_four_times_the_points(fitted, monkeypatch):
    """Drawn anew, from a surrogate that knows the first: the estimates do not move."""
    few = fit_laplace(fitted.design, fitted.counts, Priors(), seed=5, settings=QUICK)
    monkeypatch.setattr("mrp.laplace.explore.smoothed_weights", lambda log_weight: (np.exp(log_weight), 1.0))
    more = fit_laplace(fitted.design, fitted.counts, Priors(), seed=5, settings=QUICK)
    assert (few.attrs["points"], more.attrs["points"]) == (60, 240)
    assert more.attrs["ess_sd"] > 3 * few.attrs["ess_sd"]
    ours, theirs = (
        estimates(from_datatree(tree, fitted.design), fitted.design, fitted.electorate) for tree in (more, few)
    )
    assert agreement(ours, theirs).problems == ()


def test_the_same_seed_gives_the_same_draws_and_another_seed_others(fitted):
    one, same, other = (
        fit_laplace(fitted.design, fitted.counts, Priors(), seed=seed, settings=QUICK)["posterior"]["intercept"]
        for seed in (1, 1, 2)
    )
    assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_number_of_threads_changes_nothing(fitted):
    one, two = (
        fit_laplace(fitted.design, fitted.counts, Priors(), seed=1, settings=replace(QUICK, threads=threads))
        for threads in (1, 2)
    )
    assert_array_equal(one["posterior"]["intercept"], two["posterior"]["intercept"])


def test_progress_rises_and_a_listener_that_raises_stops_the_fit(fitted):
    steps: list[Progress] = []
    fit_laplace(fitted.design, fitted.counts, Priors(), seed=1, settings=QUICK, on_progress=steps.append)
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)

    def stop(step: Progress) -> None:
        if step.share > 0.2:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        fit_laplace(fitted.design, fitted.counts, Priors(), seed=1, settings=QUICK, on_progress=stop)


@pytest.mark.parametrize("formula", ["1", "lean", "(1|district)", "lean + (1|age)"])
def test_small_models_agree_with_nuts(formula: str):
    world = electorate(n_districts=8)
    design = build_design(formula, world)
    counts = collapse(
        interview(world, plant(design, world.frame, seed=1), n=300, seed=2),
        by=world.cell_columns,
        answer="answer",
        option="yes",
    )
    nuts = sample_nuts(design, counts, Priors(), seed=3, settings=NutsSettings(chains=4, draws=1000))
    ours = fit_laplace(design, counts, Priors(), seed=4)
    both = [estimates(from_datatree(tree, design), design, world) for tree in (ours, nuts)]
    assert agreement(*both).problems == ()


@pytest.mark.parametrize(
    ("n", "share"), [(1, 1.0), (3, 0.0), (400, 1.0)], ids=["one interview", "three against", "separation"]
)
def test_little_or_one_sided_data_give_wide_and_finite_answers(n: int, share: float):
    world = electorate(n_districts=8)
    design = build_design(FORMULA, world)
    counts = collapse(
        interview(world, plant(design, world.frame, seed=1), n=n, seed=2),
        by=world.cell_columns,
        answer="answer",
        option="yes",
    )
    one_sided = counts.with_columns(y=(counts["n"] * share).cast(int))
    tree = fit_laplace(design, one_sided, Priors(), seed=4)
    nation = area_draws(from_datatree(tree, design), design, world)

    assert np.isfinite(nation.draws).all()
    assert tree.attrs["k_hat_sd"] < 0.7
    assert tree.attrs["k_hat_joint"] < 0.7
    if n < 10:
        assert nation.draws.std() > 0.1


def test_counts_of_an_unknown_cell_or_of_nobody_are_refused(fitted):
    strange = fitted.counts.head(1).with_columns(district=np.array(["D99"]))
    with pytest.raises(CountsError, match="D99"):
        fit_laplace(fitted.design, strange, Priors(), seed=1)
    with pytest.raises(CountsError, match="no answer to fit"):
        fit_laplace(fitted.design, fitted.counts[:0], Priors(), seed=1)
