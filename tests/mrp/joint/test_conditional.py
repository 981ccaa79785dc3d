"""The density of several questions: against the PyMC model, plain algebra, differences, and itself reordered."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from scipy import linalg, optimize, stats

from mrp.counts import collapse
from mrp.hyper import HyperSpace
from mrp.joint import JointDesign, build_joint_design
from mrp.joint.counts import coarsest_of
from mrp.joint.model import build_joint_model
from mrp.joint.posterior import own_hypers
from mrp.joint.priors import joint_priors
from mrp.joint.stacked import joint_linear_model, joint_space, stack
from mrp.laplace.conditional import Conditional
from mrp.linear import LinearModel
from mrp.priors import Priors, parse_priors
from mrp.structure import correlation_root
from tests.mrp import polls
from tests.mrp.joint import questions
from tests.mrp.joint.questions import THREE, TWO, WORLD

type Floats = NDArray[np.float64]

DESIGN = build_joint_design(THREE, WORLD)
LATENTS = questions.planted(DESIGN, seed=1)
N = {"rail": 400, "roads": 60, "bridges": 150}
COUNTS = questions.poll(DESIGN, LATENTS, N, seed=2)
PRIORS = {
    "rail": parse_priors({"(1|p|district)": "half_normal(1), lkj(3)", "lean": "normal(0.2, 0.7)"}),
    "roads": parse_priors({"(1|p|district)": "half_normal(0.3), lkj(3)", "intercept": "normal(0.4, 1)"}),
    "bridges": parse_priors({"(1|p|district)": "lkj(3)"}),
}


def numbers(design: JointDesign, counts: Mapping[str, pl.DataFrame], priors: Mapping[str, Priors]) -> LinearModel:
    return joint_linear_model(design, coarsest_of(design, counts), priors)


def random_hypers(space: HyperSpace, rng: np.random.Generator) -> Floats:
    ranges = ((0.1, 1.5, space.n_sds), (-0.7, 0.7, len(space.shapes)), (0.1, 0.9, len(space.mixings)))
    return np.concatenate([rng.uniform(*one) for one in ranges])


def pymc_point(design: JointDesign, space: HyperSpace, latents: Floats, hypers: Floats) -> dict[str, Floats]:
    """The values that the PyMC model moves in."""
    stacked, point = stack(design), {}
    for question, part in design.parts.items():
        one, own = design.of(question), latents[part]
        n_free = 1 + len(one.coefficient_names)
        point[f"intercept of {question}"] = own[0]
        if n_free > 1:
            point[f"coefficient of {question}"] = own[1:n_free]
        for effect, offset, k in zip(one.effects, one.offsets, stacked.effect_of[question], strict=True):
            if k in stacked.shared:
                continue
            values, term = own[offset : offset + effect.size], f"{effect.term} of {question}"
            point[f"sd {term}_log__"] = np.log(hypers[space.terms[k].sds][0])
            if effect.basis is None:
                point[term] = values
            else:
                point[f"{term} coordinate"] = np.linalg.lstsq(effect.basis, values, rcond=None)[0]
    for k, shared in stacked.shared.items():
        columns = [latents[questions.where(design, question, shared.term)] for question in shared.questions]
        point[f"{shared.term} by level"] = np.stack(columns, axis=1)
        point[f"sd {shared.term}_log__"] = np.log(hypers[space.terms[k].sds])
        unit = (hypers[space.terms[k].correlations] + 1) / 2
        logodds = np.log(unit / (1 - unit))
        point[f"unit correlation {shared.term}_logodds__"] = logodds if len(unit) > 1 else logodds[0]
    return point


def test_the_log_joint_is_that_of_the_pymc_model_up_to_one_constant():
    log_density = build_joint_model(DESIGN, COUNTS, PRIORS).compile_logp(jacobian=False, mode="FAST_COMPILE")
    space, rng = joint_space(DESIGN, PRIORS), np.random.default_rng(3)
    conditional, stacked = Conditional.of(numbers(DESIGN, COUNTS, PRIORS)), stack(DESIGN)
    walk = questions.where(DESIGN, "roads", "rw1(age)")

    found = []
    for _ in range(6):
        hypers, latents = random_hypers(space, rng), rng.normal(0, 0.5, DESIGN.n_latents)
        latents[walk] -= latents[walk].mean()  # what a walk can be
        ordered = np.empty((1, DESIGN.n_latents))
        ordered[0, stacked.order] = latents
        engine = float(conditional.log_joint(ordered, hypers)[0])
        unit = (hypers[space.n_sds :] + 1) / 2
        engine += stats.halfnorm.logpdf(hypers[: space.n_sds], scale=space.scale).sum()
        engine += stats.beta.logpdf(unit, *space.shapes.T).sum()
        found.append(float(log_density(pymc_point(DESIGN, space, latents, hypers))) - engine)

    assert_allclose(found, found[0], rtol=1e-8)


def dense(model: LinearModel, hypers: Floats) -> tuple[Floats, float]:
    """Mode in the order of the linear model and Laplace log likelihood, all latents in one matrix."""
    n_cells = len(model.n)
    incidence = np.zeros((n_cells, model.n_latents))
    incidence[:, : model.n_free] = model.x
    for entry in range(model.index.shape[1]):
        np.add.at(incidence, (np.arange(n_cells), model.index[:, entry]), model.weight[:, entry])
    bases, covariances = [np.eye(model.n_free)], [np.diag(model.sd**2)]
    for effect, own in zip(model.effects, model.space.terms, strict=True):
        sd, partial = hypers[own.sds], hypers[own.correlations]
        root = np.diag(sd) @ np.array(correlation_root(partial, sd.size), dtype=np.float64)
        bases.append(np.eye(effect.size) if effect.basis is None else effect.basis)
        covariances.append(np.kron(np.eye(effect.n_coordinates // sd.size), root @ root.T))
    basis = linalg.block_diag(*bases)
    x, precision = incidence @ basis, np.linalg.inv(linalg.block_diag(*covariances))
    mean = np.concatenate([model.mean, np.zeros(x.shape[1] - model.n_free)])
    z = mean.copy()
    for _ in range(50):
        share = 1 / (1 + np.exp(-x @ z))
        hessian = x.T * (model.n * share * (1 - share)) @ x + precision
        z += np.linalg.solve(hessian, x.T @ (model.y - model.n * share) - precision @ (z - mean))
    value = model.y @ (x @ z) - model.n @ np.logaddexp(0, x @ z) - 0.5 * (z - mean) @ precision @ (z - mean)
    value += 0.5 * np.linalg.slogdet(precision)[1] - 0.5 * np.linalg.slogdet(hessian)[1]
    return basis @ z, float(value)


@pytest.mark.parametrize(
    "formulas",
    [
        TWO,
        THREE,
        {"rail": "(1|district:age) + (1|p|district)", "roads": "(1|p|district)", "bridges": "(1|sex)"},
        {"rail": "(1|p|age)", "roads": "(1|p|age) + (1|district)"},
    ],
)
def test_mode_and_likelihood_are_those_of_plain_algebra(formulas: dict[str, str]):
    """Some questions have a district's effects and others none, so that cells have fewer entries than there are."""
    design = build_joint_design(formulas, WORLD)
    counts = questions.poll(design, questions.planted(design, seed=4), dict.fromkeys(formulas, 200), seed=5)
    model = numbers(design, counts, dict.fromkeys(formulas, Priors()))
    hypers = random_hypers(model.space, np.random.default_rng(6))
    conditional = Conditional.of(model)
    mode = conditional.mode(hypers)
    mode = conditional.mode(hypers, mode)

    latents, likelihood = dense(model, hypers)

    assert_allclose(conditional.latents(mode), latents, atol=1e-4)
    assert mode.log_likelihood == pytest.approx(likelihood, abs=1e-4)


def test_mode_and_gradient_are_those_of_the_density():
    model = numbers(DESIGN, COUNTS, PRIORS)
    conditional, hypers = Conditional.of(model), random_hypers(model.space, np.random.default_rng(7))
    mode, gradient = conditional.slope(hypers)
    assert mode.n_steps < 10  # a wrong Newton step still gets there, uphill

    # Within tolerance of the mode each log likelihood is exact to 1e-6; steps are large enough not to show that.
    for j, unit in enumerate(np.eye(hypers.size)):
        up, down = (conditional.mode(hypers + sign * 1e-3 * unit).log_likelihood for sign in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / 2e-3, abs=5e-3)

    def along(step: Floats) -> float:
        latents = conditional.latents(mode)[None] + step @ directions
        return -float(conditional.log_joint(latents, hypers)[0])

    directions = np.random.default_rng(8).standard_normal((5, model.n_latents))
    walk = model.effects[[effect.kind for effect in model.effects].index("rw1")]
    start = model.offsets[model.effects.index(walk)]
    directions[:, start : start + walk.size] -= directions[:, start : start + walk.size].mean(axis=1, keepdims=True)
    assert_allclose(optimize.approx_fprime(np.zeros(5), along, 1e-6), 0, atol=2e-2)


def test_the_density_of_two_districts_and_two_questions_by_hand():
    """Two districts, two questions, one effect each: the prior is two bivariate normal densities."""
    two_districts = questions.electorate(n_districts=2)
    design = build_joint_design({"a": "(1|p|district)", "b": "(1|p|district)"}, two_districts)
    counts = {
        "a": pl.DataFrame({"district": ["D00", "D01"], "n": [10, 4], "y": [7, 1]}),
        "b": pl.DataFrame({"district": ["D01"], "n": [3], "y": [3]}),
    }
    conditional = Conditional.of(numbers(design, counts, {"a": Priors(), "b": Priors()}))
    sds, r = np.array([0.5, 0.8]), 0.6

    def by_hand(latents: Floats) -> float:
        a, a0, a1, b, b0, b1 = latents
        binomial = stats.binom.logpmf(
            [7, 1, 3], [10, 4, 3], 1 / (1 + np.exp(-np.array([a + a0, a + a1, b + b1])))
        ).sum()
        covariance = [[0.25, 0.6 * 0.5 * 0.8], [0.6 * 0.5 * 0.8, 0.64]]
        effects = stats.multivariate_normal.logpdf([[a0, b0], [a1, b1]], cov=covariance).sum()
        return float(binomial + stats.norm.logpdf([a, b], 0, 1.5).sum() + effects)

    gaps = []
    for latents in np.random.default_rng(1).normal(0, 0.7, (4, 6)):
        ordered = np.empty((1, 6))
        ordered[0, stack(design).order] = latents
        gaps.append(float(conditional.log_joint(ordered, np.array([*sds, r]))[0]) - by_hand(latents))
    assert_allclose(gaps, gaps[0], rtol=1e-10)


def test_the_order_of_questions_changes_nothing():
    order = ("bridges", "rail", "roads")
    other = build_joint_design({question: THREE[question] for question in order}, WORLD)
    one, two = numbers(DESIGN, COUNTS, PRIORS), numbers(other, COUNTS, PRIORS)
    first, second = dict(zip(stack(DESIGN).shared.values(), stack(DESIGN).shared, strict=True)), stack(other).shared
    hypers = random_hypers(one.space, np.random.default_rng(2))
    theirs = np.empty_like(hypers)
    by_name = {one.space.terms[k].term: k for k in range(len(one.effects))}
    for k, (effect, own) in enumerate(zip(two.effects, two.space.terms, strict=True)):
        same = one.space.terms[by_name[effect.term]]
        if k not in second:
            theirs[own.sds] = hypers[same.sds]
            continue
        shared = second[k]
        before = next(of for of in first if of.label == shared.label)
        at = [before.questions.index(question) for question in shared.questions]
        theirs[own.sds] = hypers[same.sds][at]
        root = np.array(correlation_root(hypers[same.correlations], len(at)), dtype=np.float64)
        moved = linalg.cholesky((root @ root.T)[np.ix_(at, at)], lower=True)
        theirs[own.correlations] = [
            moved[i, j] / np.sqrt(1 - (moved[i, :j] ** 2).sum()) for i in range(len(at)) for j in range(i)
        ]

    mode, mode_two = Conditional.of(one).mode(hypers), Conditional.of(two).mode(theirs)

    assert mode_two.log_likelihood == pytest.approx(mode.log_likelihood, abs=1e-6)
    latents, latents_two = Conditional.of(one).latents(mode), Conditional.of(two).latents(mode_two)
    for question in order:
        ours = latents[stack(DESIGN).order][DESIGN.parts[question]]
        assert_allclose(latents_two[stack(other).order][other.parts[question]], ours, atol=1e-3)


def test_without_a_shared_term_the_likelihood_is_the_sum_of_those_of_the_questions():
    formulas = {question: formula.replace("|p|", "|") for question, formula in TWO.items()}
    design = build_joint_design(formulas, WORLD)
    counts = questions.poll(design, questions.planted(design, seed=4), {"rail": 300, "roads": 100}, seed=5)
    model = numbers(design, counts, joint_priors(Priors(), design))
    hypers = np.array([0.4, 0.3, 0.6, 0.2])

    together = Conditional.of(model).mode(hypers)

    cells = coarsest_of(design, counts)
    apart = [
        Conditional(design.of(question), cells[question], Priors()).mode(own)
        for question, own in (("rail", hypers[:2]), ("roads", hypers[2:]))
    ]
    assert together.log_likelihood == pytest.approx(sum(one.log_likelihood for one in apart), abs=1e-5)


def test_a_sampled_form_has_the_density_of_the_model_up_to_a_constant():
    """In coordinates that are standard normal a priori, of each latent by itself but for those that questions share."""
    from mrp.warm_start import WarmStart
    from mrp.whitened import whitened_form_of

    design = questions.two()
    counts = questions.poll(design, questions.planted(design, seed=1), {"rail": 150, "roads": 50}, seed=1)
    model = numbers(design, counts, joint_priors(Priors(), design))
    hypers = np.array([0.5, 0.4, 0.3, 0.6, 0.5])
    form = whitened_form_of(model, WarmStart(hypers, np.zeros(model.n_latents)))
    log_density = form.model().compile_logp(jacobian=False, mode="FAST_COMPILE")
    conditional, rng, found = Conditional.of(model), np.random.default_rng(1), []
    shared = next(iter(stack(design).shared))
    for _ in range(4):
        hypers = random_hypers(model.space, rng)
        scale = np.ones(model.n_latents)
        scale[: model.n_free] = model.sd
        for offset, effect, own in zip(model.offsets, model.effects, model.space.terms, strict=True):
            scale[offset : offset + effect.size] = np.tile(hypers[own.sds], effect.size // len(hypers[own.sds]))
        root, partial = np.diag(scale), hypers[model.space.terms[shared].correlations][0]
        second = model.offsets[shared] + 1 + 2 * np.arange(8)
        root[second, second - 1] = scale[second] * partial
        root[second, second] *= np.sqrt(1 - partial**2)
        eps = rng.standard_normal(model.n_latents)
        information, pull = form.fixed["information"], form.fixed["pull"]
        lower = np.linalg.cholesky(np.eye(len(eps)) + root.T @ information @ root)
        standard = linalg.solve(lower.T, linalg.solve(lower, root.T @ pull) + eps)
        latents = root @ standard
        latents[: model.n_free] += model.mean
        exact = float(conditional.log_joint(latents[None], hypers)[0])
        exact += np.log(np.diag(root)).sum() - np.log(np.diag(lower)).sum()
        exact += stats.halfnorm.logpdf(hypers[: model.space.n_sds], scale=0.5).sum()
        unit = (hypers[model.space.n_sds :] + 1) / 2
        exact += stats.beta.logpdf(unit, *model.space.shapes.T).sum()
        point = {
            "sd_log__": np.log(hypers[: model.space.n_sds]),
            "unit_logodds__": np.log(unit / (1 - unit)),
            "eps": eps,
        }
        found.append(float(log_density(point)) - exact)

    assert_allclose(found, found[0], atol=1e-8)


@pytest.mark.parametrize(
    "formula",
    [
        "lean + (1|district) + (1|age:sex) + rw1(period|region) + (sex|age) + house(pollster) + ar1(period)",
        "bym2(district) + (lean||age) + rw2(age)",
        "icar(district) + (sex|district:age) + mode(mode)",
    ],
)
def test_every_kind_of_term_can_stand_in_one_of_the_questions(formula: str):
    """Of questions that share nothing the density is the product of those of each by itself."""
    formulas = {"rail": formula, "roads": "sex + (1|district) + (1|period)"}
    design = build_joint_design(formulas, polls.WORLD, observed=polls.OBSERVED)
    counts = {
        question: collapse(polls.poll(n=n, seed=n), by=one.count_columns, answer="answer", option="yes")
        for (question, one), n in zip(design.designs.items(), (300, 80), strict=True)
    }
    model = numbers(design, counts, joint_priors(Priors(), design))
    together, rng = Conditional.of(model), np.random.default_rng(3)
    hypers = random_hypers(model.space, rng)
    mode, gradient = together.slope(hypers)
    drawn, log_ratio = together.draw(hypers, mode, np.zeros((1, together.n_coordinates)))
    latents = drawn[:, stack(design).order]

    likelihood = joint = ratio = 0.0
    for question, part in design.parts.items():
        own, at = Conditional(design.of(question), counts[question], Priors()), own_hypers(stack(design), question)
        one, slope = own.slope(hypers[at])
        likelihood += one.log_likelihood
        joint += float(own.log_joint(latents[:, part], hypers[at])[0])
        centre, its_ratio = own.draw(hypers[at], one, np.zeros((1, own.n_coordinates)))
        ratio += float(its_ratio[0])
        assert_allclose(latents[:, part], centre, atol=2e-3)
        assert_allclose(gradient[at], slope, rtol=1e-2, atol=1e-2)
    assert together.log_joint(drawn, hypers)[0] == pytest.approx(joint, abs=1e-6)
    assert mode.log_likelihood == pytest.approx(likelihood, abs=1e-4)
    assert log_ratio[0] == pytest.approx(ratio, abs=1e-2)


def test_weights_make_fractional_counts_of_each_question():
    design = questions.two()
    cells = WORLD.frame.sample(120, seed=1, with_replacement=True).drop("n_people")
    rng = np.random.default_rng(1)
    asked = cells.with_columns(
        answer=pl.Series(np.where(rng.random(120) < 0.4, "yes", "no")), w=pl.Series(rng.gamma(2, 1, 120))
    )
    counts = {
        question: collapse(asked, by=one.count_columns, answer="answer", option="yes", weight=weight)
        for (question, one), weight in zip(design.designs.items(), ("w", None), strict=True)
    }
    of = coarsest_of(design, counts)

    model = numbers(design, counts, joint_priors(Priors(), design))

    assert of["rail"]["n"].dtype == pl.Float64
    assert of["roads"]["n"].dtype == pl.Int64
    assert model.n.sum() == pytest.approx(of["rail"]["n"].sum() + 120)
    names = [variable.name for variable in build_joint_model(design, counts, Priors()).potentials]
    assert names == ["likelihood of rail"]


APART = questions.two()
APART_COUNTS = questions.poll(APART, questions.planted(APART, seed=4), {"rail": 300, "roads": 100}, seed=5)
TOGETHER = Conditional.of(numbers(APART, APART_COUNTS, joint_priors(Priors(), APART)))
ALONE = {question: Conditional(APART.of(question), APART_COUNTS[question], Priors()) for question in TWO}


@settings(max_examples=30, deadline=None)
@given(
    sds=st.lists(st.floats(0.01, 3), min_size=4, max_size=4),
    seed=st.integers(0, 1000),
    scale=st.floats(0, 3),
)
def test_with_a_correlation_of_zero_the_density_is_the_product_of_those_apart(
    sds: list[float], seed: int, scale: float
):
    hypers, latents = np.array([*sds, 0.0]), np.random.default_rng(seed).normal(0, scale, APART.n_latents)
    ordered = np.empty((1, APART.n_latents))
    ordered[0, stack(APART).order] = latents

    apart = sum(
        float(of.log_joint(latents[None, APART.parts[question]], hypers[own_hypers(stack(APART), question)])[0])
        for question, of in ALONE.items()
    )

    assert float(TOGETHER.log_joint(ordered, hypers)[0]) == pytest.approx(apart, rel=1e-9)
