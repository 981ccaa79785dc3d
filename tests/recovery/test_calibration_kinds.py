"""Every kind of term by itself: 1,000 truths from the prior, ranks uniform, and draws of a wrong spread found."""

from dataclasses import dataclass
from zlib import crc32

import pytest

from mrp import build_design
from mrp.laplace.engine import LaplaceSettings
from tests.mrp.maps import EIGHT, on_map
from tests.mrp.worlds import electorate
from tests.recovery.simulation import N_DRAWS, Simulated, simulate
from tests.recovery.test_calibration import Laplace
from tests.recovery.uniformity import outside_envelope

WORLD = on_map(electorate(n_districts=8, seed=41), EIGHT)
OBSERVED = {
    "period": ("2024-W01", "2024-W02", "2024-W03", "2024-W06", "2024-W07"),
    "pollster": ("Ask", "Bell", "Call", "Dial"),
    "mode": ("phone", "web"),
}
"""The fourth and fifth week are without interviews."""


@dataclass(frozen=True, slots=True)
class Kind:
    formula: str
    n_interviews: int = 300


KINDS = {
    "predictors": Kind("lean + region + sex"),
    "varying intercepts": Kind("lean + (1|district)"),
    "crossed intercepts": Kind("(1|region) + (1|age) + (1|region:age)"),
    "correlated slopes": Kind("(sex|district)"),
    "correlated slopes of three columns": Kind("(region|age)"),
    "independent slopes": Kind("(lean||age)"),
    "first-order walk": Kind("sex + rw1(age)"),
    "second-order walk": Kind("sex + rw2(age)"),
    "autoregression": Kind("lean + ar1(period)"),
    "walk over periods": Kind("lean + rw1(period)"),
    "walks by group": Kind("rw1(period|region)"),
    "districts like their neighbours": Kind("lean + icar(district)"),
    "districts partly like their neighbours": Kind("lean + bym2(district)"),
    "house effects": Kind("lean + (1|age) + house(pollster)"),
    "mode effects": Kind("lean + (1|age) + mode(mode)"),
    "few interviews": Kind("lean + (1|district) + (1|age)", n_interviews=40),
    # Far from normal: only the weights against the exact joint density make the draws right.
    "twelve interviews": Kind("lean + region + sex + (1|district)", n_interviews=12),
}


def simulate_kind(kind: Kind, *, n_surveys: int = 1000, processes: int = 2) -> Simulated:
    design = build_design(kind.formula, WORLD, observed=OBSERVED)
    return simulate(
        WORLD,
        design,
        Laplace(LaplaceSettings(points=200, draws=400, threads=1)),
        n_surveys=n_surveys,
        n_interviews=kind.n_interviews,
        seed=crc32(kind.formula.encode()),  # kinds with the same seed would share much of their chance
        asked=OBSERVED,
        processes=processes,
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_laplace_engine_is_calibrated_on_every_kind_of_term(kind: Kind):
    simulated = simulate_kind(kind)

    assert outside_envelope(simulated.ranks(seed=1), n_draws=N_DRAWS) == {}
    # The others would be fitted again with NUTS. The share depends on the interviews alone, whatever was planted.
    assert simulated.facts["trusted"].mean() > 0.9
    # Every quantity by itself shows a spread that is wrong by a factor of 1.3.
    for spread in (1 / 1.3, 1.3):
        found = outside_envelope(simulated.ranks(seed=1, spread=spread), n_draws=N_DRAWS)
        assert set(found) == set(simulated.truth), spread
