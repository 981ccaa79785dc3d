"""Past votes that are known, and misreported at known rates: what a question gains that moves along, and what it loses.

Every survey has a truth of its own: what people did and think is correlated across districts; who did it says so in 70%
of cases, and 3% of the others say so too. 450 people in 30 districts are asked, by the path of the service: a joint
fit, calibrated to what is known of every district.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from io import StringIO

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from jobs.fit_process import fit
from jobs.fit_request import FitRequest, Partner
from mrp.adjusted import NOTHING, Adjustments, Totals
from mrp.electorate import Electorate
from mrp.laplace.engine import LaplaceSettings
from mrp.latents import LatentDraws
from mrp.nuts import NutsSettings
from mrp.outcomes import BinaryOutcome, design_from_json
from mrp.poststratification import area_draws

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SURVEYS = 12
DISTRICTS = tuple(f"D{number:02}" for number in range(30))
SENSITIVITY, SPECIFICITY = 0.7, 0.97
CORRELATION, SD = 0.85, 0.6
FORMULA = "(1|p|district) + (1|age)"
AGES = ("young", "old")


@cache
def electorate() -> Electorate:
    frame = pl.DataFrame(
        [(district, age, 1000.0) for district in DISTRICTS for age in AGES],
        schema=["district", "age", "n_people"],
        orient="row",
    )
    districts = pl.DataFrame({"code": DISTRICTS, "name": DISTRICTS})
    return Electorate(frame, districts, "district", {"age": AGES})


@dataclass(frozen=True)
class Estimated:
    """Of the question that moves along."""

    truth: np.ndarray
    """Shape (district,)."""
    draws: np.ndarray
    """Shape (draw, district)."""
    warnings: tuple[str, ...]

    @property
    def error(self) -> float:
        """Of the nation: districts are equally large."""
        return float(self.draws.mean() - self.truth.mean())

    @property
    def inside(self) -> np.ndarray:
        low, high = np.quantile(self.draws, [0.05, 0.95], axis=0)
        return (low <= self.truth) & (self.truth <= high)


def surveyed(seed: int) -> Iterator[tuple[str, Estimated]]:
    """The same interviews, calibrated in three ways."""
    rng = np.random.default_rng(seed)
    effects = SD * rng.multivariate_normal([0, 0], [[1, CORRELATION], [CORRELATION, 1]], len(DISTRICTS))
    old = np.array([-0.2, 0.2])
    share = 1 / (1 + np.exp(-(effects[:, None, :] + old[None, :, None])))  # (district, age, question)
    reported = SENSITIVITY * share[:, :, 0] + (1 - SPECIFICITY) * (1 - share[:, :, 0])
    counts = {}
    for question, p in (("past", reported), ("rail", share[:, :, 1])):
        n = rng.multinomial(450, np.full(p.size, 1 / p.size))
        asked = electorate().frame.select("district", "age").with_columns(n=n, y=rng.binomial(n, p.ravel()))
        counts[question] = asked.filter(pl.col("n") > 0)
    known = {"share": dict(zip(DISTRICTS, share[:, :, 0].mean(axis=1).tolist(), strict=True))}
    right = Totals("past", "district", known, SENSITIVITY, SPECIFICITY)
    request = FitRequest(
        outcome=BinaryOutcome(("yes", "no")),
        formula=FORMULA,
        priors={},
        seed=seed,
        engine="laplace",
        nuts=NutsSettings(),
        laplace=LaplaceSettings(points=150, draws=500),
        electorate=electorate(),
        counts=counts["rail"],
        question="rail",
        partners=(Partner("past", BinaryOutcome(("yes", "no")), FORMULA, {}, counts["past"]),),
    )
    for name, adjustments in {
        "alone": NOTHING,
        "declared": Adjustments(right),
        "silent": Adjustments(replace(right, sensitivity=None, specificity=None)),
    }.items():
        result = fit(replace(request, adjustments=adjustments), progress=StringIO())
        latents = LatentDraws.from_bytes(result.draws)
        drawn = area_draws(latents, design_from_json(result.design), electorate(), by=("district",)).draws
        yield name, Estimated(share[:, :, 1].mean(axis=1), drawn, tuple(result.verdict["warnings"]))


@cache
def every() -> dict[str, list[Estimated]]:
    found: dict[str, list[Estimated]] = {"alone": [], "declared": [], "silent": []}
    for seed in range(SURVEYS):
        for name, estimated in surveyed(seed):
            found[name].append(estimated)
    for name, of in found.items():
        rmse = np.sqrt(np.mean([((one.draws.mean(axis=0) - one.truth) ** 2).mean() for one in of]))
        inside = np.mean([one.inside.mean() for one in of])
        print(f"{name}: bias {np.mean([one.error for one in of]):+.4f}, rmse {rmse:.4f}, covered {inside:.3f}")
    return found


def test_with_the_declared_misreport_the_estimates_are_unbiased_and_no_worse_for_it():
    errors = np.array([one.error for one in every()["declared"]])
    sds = np.array([one.draws.mean(axis=1).std() for one in every()["declared"]])

    # Of so many surveys, whose posteriors say how far each may be off.
    assert abs(errors.mean()) <= 3 * np.sqrt((sds**2).sum()) / SURVEYS
    rmse = {
        name: np.sqrt(np.mean([((one.draws.mean(axis=0) - one.truth) ** 2).mean() for one in every()[name]]))
        for name in ("alone", "declared")
    }
    assert rmse["declared"] < rmse["alone"]


def test_intervals_hold_the_truth_as_often_as_they_say():
    inside = np.concatenate([one.inside for one in every()["declared"]])

    # Districts of one survey share its nation: a third of them count.
    n = inside.size // 3
    assert binom.ppf(0.001, n, 0.9) / n <= inside.mean()


def test_without_a_declaration_estimates_are_off_and_warned_of():
    errors = np.array([one.error for one in every()["silent"]])

    # People seem to have done it who only did not say so, and the other question is moved along with them.
    assert errors.mean() > 4 * errors.std(ddof=1) / np.sqrt(SURVEYS)
    assert all(any("as if all of them remembered" in text for text in one.warnings) for one in every()["silent"])
    assert not any("remembered" in text for one in every()["declared"] for text in one.warnings)
