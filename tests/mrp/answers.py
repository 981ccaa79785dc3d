"""Estimates written down by hand, and draws with known dependence."""

import numpy as np
import polars as pl
from hypothesis import strategies as st

from mrp.poststratification import AreaDraws


def estimate_of(draws, *, by: str = "district", names: list[str] | None = None, **how) -> AreaDraws:
    """Draws, shape (draw, area), for areas A, B, C ... of 100 people each."""
    draws = np.asarray(draws, dtype=float)
    names = names or [chr(ord("A") + i) for i in range(draws.shape[1])]
    return AreaDraws(pl.DataFrame({by: names, "n_people": [100.0] * len(names)}), draws, **how)


@st.composite
def shares(draw: st.DrawFn, *, n_areas: int | None = None, n_draws: int | None = None) -> np.ndarray:
    """Shares of any areas, some of them tied; shape (draw, area)."""
    n_areas = n_areas or draw(st.integers(1, 6))
    n_draws = n_draws or draw(st.integers(1, 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(0, draw(st.sampled_from([3, 1000])) + 1, (n_draws, n_areas)) / 1000


def options_of(share: np.ndarray) -> dict[str, AreaDraws]:
    """Options a, b, c ... from shares of shape (option, draw, area)."""
    return {chr(ord("a") + o): estimate_of(one) for o, one in enumerate(share)}


@st.composite
def contests(draw: st.DrawFn) -> np.ndarray:
    """Shares of two to four options, some tied, shape (option, draw, area)."""
    shape = (draw(st.integers(2, 4)), draw(st.integers(1, 20)), draw(st.integers(1, 6)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return rng.integers(0, draw(st.sampled_from([2, 1000])) + 1, shape) / 1000
