"""Crosstabs made together or from each other are those that are made alone."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

from api.estimands import drawn_many
from api.margins import base_of, make_margins
from api.release_cache import LoadedRelease
from mrp.outcomes.designs import SHARE
from mrp.poststratification import area_draws
from tests.api.world import World


@pytest.fixture
def loaded(served: World) -> LoadedRelease:
    """The served release, with nothing made of it yet."""
    served.services.releases._loaded.drop(served.estimates()["release_id"])
    return served.services.releases.load(served.estimates()["release_id"])


COLUMNS = ("district", "region", "gender", "age")
CROSSTABS = [by for n in (0, 1, 2) for by in itertools.permutations(COLUMNS, n) if {"district", "region"} - set(by)]


@pytest.mark.parametrize("by", CROSSTABS, ids="-".join)
def test_a_crosstab_is_the_one_that_is_made_alone(loaded: LoadedRelease, by: tuple[str, ...]):
    alone = area_draws(loaded.latents, loaded.design, loaded.electorate, by=by)

    made = loaded.drawn(by)[SHARE]

    assert made.areas.select(*by).equals(alone.areas.select(*by))
    assert_allclose(made.areas["n_people"], alone.areas["n_people"], rtol=1e-12)
    assert_allclose(made.draws, alone.draws, atol=2e-6)
    assert (made.n_chains, made.fit) == (alone.n_chains, alone.fit)


def test_all_of_them_take_two_passes_over_the_cells(loaded: LoadedRelease, monkeypatch: pytest.MonkeyPatch):
    passes = []
    for where in ("api.margins.drawn_many", "api.release_cache.drawn_many"):
        monkeypatch.setattr(where, lambda *given: passes.append([one.by for one in given[-1]]) or drawn_many(*given))

    for by in CROSSTABS:
        loaded.drawn(by)

    assert len(passes) == 2
    assert [("district",)] in passes


def test_what_has_no_room_is_made_when_it_is_asked_for(loaded: LoadedRelease, monkeypatch: pytest.MonkeyPatch):
    n_draws = loaded.latents.draws.shape[0]
    # Room for gender (2), age (3) and both (6), but not for districts by anything.
    monkeypatch.setattr("api.margins.MOST_MB", 12 * 8 * n_draws / 1e6)

    made = make_margins(loaded.latents, loaded.design, loaded.electorate)

    assert set(made) == {("gender",), ("age",), ("gender", "age")}
    alone = area_draws(loaded.latents, loaded.design, loaded.electorate, by=("district", "age"))
    assert_allclose(loaded.drawn(("district", "age"))[SHARE].draws, alone.draws, atol=2e-6)


def test_the_base_of_a_crosstab_is_in_the_order_of_the_cells(loaded: LoadedRelease):
    assert base_of(("age", "region"), loaded.electorate) == ("district", "age")
    assert base_of(("age", "gender"), loaded.electorate) == ("gender", "age")
    assert base_of((), loaded.electorate) == ()
    assert np.isfinite(loaded.drawn(())[SHARE].draws).all()
