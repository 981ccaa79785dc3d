import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mrp.verdict import FitVerdict, Problem, _told, judge_nuts, merge


def fit(
    *, draws: dict[str, np.ndarray] | None = None, chains: int = 4, diverging: int = 0, energy: Any = None
) -> xr.DataTree:
    """A fit of independent normal draws, with whatever is asked for changed."""
    rng = np.random.default_rng(1)
    n = 1000
    values = {name: rng.standard_normal((chains, n)) for name in ("intercept", "sd (1|age)")} | (draws or {})
    flags = np.zeros((chains, n), dtype=bool)
    flags.flat[:diverging] = True
    stats = {"diverging": flags, "energy": rng.standard_normal((chains, n)) if energy is None else energy}
    return xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({name: (("chain", "draw"), value) for name, value in values.items()}),
            "sampled": xr.Dataset({"z": (("chain", "draw", "z_dim"), rng.standard_normal((chains, n, 2)))}),
            "sample_stats": xr.Dataset({name: (("chain", "draw"), value) for name, value in stats.items()}),
        }
    )


def codes(tree: xr.DataTree) -> list[str]:
    return [problem.code for problem in judge_nuts(tree).problems]


def test_a_good_fit_is_publishable():
    assert judge_nuts(fit()).publishable


def test_a_chain_elsewhere_is_not_publishable_and_the_parameter_is_named():
    elsewhere = np.random.default_rng(2).standard_normal((4, 1000)) + np.array([[0], [0], [0], [2]])
    verdict = judge_nuts(fit(draws={"shifted": elsewhere}))

    assert "r-hat" in codes(fit(draws={"shifted": elsewhere}))
    assert "R-hat of shifted is" in verdict.problems[0].message


def test_slow_mixing_is_not_publishable():
    slow = np.cumsum(np.random.default_rng(3).standard_normal((4, 1000)), axis=1)
    assert {"ess-bulk", "ess-tail"} <= set(codes(fit(draws={"slow": slow})))


def test_the_coordinates_of_the_sampler_have_to_converge_too():
    tree = fit()
    tree["sampled"]["z"][:, :, 1] += np.arange(4)[:, None]

    assert "R-hat of z[1]" in judge_nuts(tree).problems[0].message


def test_one_divergence_is_too_many():
    verdict = judge_nuts(fit(diverging=1))
    assert [problem.message for problem in verdict.problems] == ["1 divergences after warmup, limit 0"]


@pytest.mark.parametrize(
    ("value", "limit", "digits", "told"),
    [
        (1.0102, 1.01, 3, "1.0102"),
        (1.0100000000000002, 1.01, 3, "1.0100000000000002"),
        (1.234, 1.01, 3, "1.234"),
        (399.97, 400, 0, "399.97"),
        (np.nan, 1.01, 3, "nan"),
        (np.inf, 0.7, 2, "inf"),
        (0.7001, 0.7, 2, "0.7001"),
    ],
)
def test_a_number_beyond_its_limit_is_told_with_enough_digits_to_see_that(value, limit, digits, told):
    assert _told(value, limit, digits).startswith(told)


def test_an_energy_that_hardly_moves_is_not_publishable():
    walk = np.cumsum(np.random.default_rng(4).standard_normal((4, 1000)), axis=1)
    assert codes(fit(energy=walk)) == ["e-bfmi"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite_fails_whatever_the_others_say(value: float):
    broken = np.random.default_rng(5).standard_normal((4, 1000))
    broken[0, 0] = value
    with np.errstate(invalid="ignore"):
        assert codes(fit(draws={"broken": broken}))[0] == "not-finite"


def test_a_parameter_that_never_moves_fails():
    assert "r-hat" in codes(fit(draws={"stuck": np.zeros((4, 1000))}))


def test_one_chain_cannot_be_judged():
    assert codes(fit(chains=1)) == ["few-chains"]


def test_problems_of_the_prediction_are_part_of_the_verdict():
    forgotten = Problem("term-parity", "(1|age) moves nothing")
    assert judge_nuts(fit(), (forgotten,)) == FitVerdict((forgotten,))
    assert judge_nuts(fit(), parity=(forgotten,)).problems == (forgotten,)


def test_a_verdict_survives_json():
    verdict = FitVerdict((Problem("r-hat", "R-hat of x is 1.2, limit 1.01"),))

    assert FitVerdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
    assert verdict.to_json()["publishable"] is False
    assert FitVerdict().to_json() == {"publishable": True, "problems": [], "warnings": []}


def test_warnings_do_not_stand_in_the_way_and_are_kept():
    tree = fit()
    tree.attrs["warnings"] = ["house(pollster) and period are nearly aliased"]
    verdict = judge_nuts(tree)

    assert verdict.publishable
    assert verdict.warnings == ("house(pollster) and period are nearly aliased",)
    assert FitVerdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict
    assert merge(verdict, verdict, FitVerdict()) == verdict
    assert FitVerdict.from_json({"problems": []}).warnings == ()


def test_verdicts_add_up():
    a, b = Problem("r-hat", "a"), Problem("divergences", "b")
    assert merge(FitVerdict((a,)), FitVerdict(), FitVerdict((b,))) == FitVerdict((a, b))
