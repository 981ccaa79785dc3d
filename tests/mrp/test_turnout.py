"""Estimates among voters: turnout multiplied into the weights of cells, draw by draw, for questions of every kind."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp import turnout as module
from mrp.design import Design, build_design
from mrp.electorate import Electorate
from mrp.errors import DrawsError, FrameError, UncoveredPopulation
from mrp.grouping import Grouping
from mrp.known_totals import calibrate
from mrp.latents import LatentDraws
from mrp.misreport import LEAST, Misreport
from mrp.numeric import NumericDesign
from mrp.numeric.unit import Unit
from mrp.ordinal import build_ordinal_design
from mrp.outcomes import AnyDesign, draws_many
from mrp.poststratification import area_draws
from mrp.turnout import Turnout, voter_draws_many
from tests.mrp.categorical import parties
from tests.mrp.ordinal import scales

WORLD = parties.WORLD
TURNOUT = build_design("lean + (1|age) + (1|district)", WORLD)
N_DRAWS = 5
GROUPINGS = (
    Grouping(),
    Grouping(("district",)),
    Grouping(("region", "age"), where={"sex": ("female",)}, merge={"age": {"18-44": ("18-29", "30-44")}}),
)


def drawn(design: AnyDesign, latents: np.ndarray, **more: Any) -> LatentDraws:
    link = {"OrdinalDesign": "cumulative-logit", "CategoricalDesign": "softmax", "NumericDesign": "identity"}
    one = link.get(type(design).__name__, "logit")
    return LatentDraws(latents.astype(np.float32), design.latent_names, link=one, **more)


def normal(design: AnyDesign, *, n: int = N_DRAWS, seed: int = 1, sd: float = 0.6) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, sd, (n, len(design.latent_names)))


def turnout(*, seed: int = 2, n: int = N_DRAWS, design: Design = TURNOUT, sd: float = 0.8) -> Turnout:
    return Turnout(drawn(design, normal(design, seed=seed, n=n, sd=sd)), design)


def everybody_alike(p: float) -> Turnout:
    design = build_design("1", WORLD)
    return Turnout(drawn(design, np.full((N_DRAWS, 1), np.log(p / (1 - p)))), design)


def shares_in_loops(design: Design, latents: np.ndarray, table: pl.DataFrame) -> np.ndarray:
    """Shape (cell, 1)."""
    rows = design.rows(table) if design.has_terms else None
    shares = []
    for i in range(table.height):
        eta = latents[0]
        if rows is not None:
            eta += sum(rows.x[i, j] * latents[1 + j] for j in range(rows.x.shape[1]))
            eta += sum(rows.weight[i, e] * latents[rows.index[i, e]] for e in range(rows.index.shape[1]))
        shares.append([1 / (1 + np.exp(-eta))])
    return np.array(shares)


def means_in_loops(design: NumericDesign, latents: np.ndarray, table: pl.DataFrame) -> np.ndarray:
    rows, unit = design.rows(table), design.require_unit()
    means = []
    for i in range(table.height):
        eta = latents[0]
        eta += sum(rows.x[i, j] * latents[1 + j] for j in range(rows.x.shape[1]))
        eta += sum(rows.weight[i, e] * latents[rows.index[i, e]] for e in range(rows.index.shape[1]))
        means.append([unit.centre + unit.scale * eta])
    return np.array(means)


BINARY = build_design("lean + (1|district) + (1|sex:age)", WORLD)
KINDS: dict[str, tuple[AnyDesign, Callable[..., np.ndarray]]] = {
    "binary": (BINARY, shares_in_loops),
    "categorical": (parties.design(), parties.cell_shares),
    "ordinal": (build_ordinal_design(scales.FORMULA, WORLD, scales.SCALE), scales.cell_shares),
    "numeric": (NumericDesign(BINARY.formula, BINARY, Unit(50.0, 12.0)), means_in_loops),
}


def latents_of(kind: str) -> LatentDraws:
    design, _ = KINDS[kind]
    if kind == "categorical":
        return drawn(design, np.stack([parties.latents(design, seed=s) for s in range(N_DRAWS)]))
    return drawn(design, normal(design, seed=7))


def area_of(row: dict[str, str], grouping: Grouping) -> tuple[str, ...] | None:
    """The group of a cell, in plain words."""
    if any(row[column] not in levels for column, levels in grouping.where.items()):
        return None
    names = []
    for column in grouping.by:
        merged = [name for name, members in grouping.merge.get(column, {}).items() if row[column] in members]
        names.append(merged[0] if merged else row[column])
    return tuple(names)


def test_two_cells_by_hand():
    # 100 young people of whom half vote, 300 old ones of whom three quarters do: 50 and 225 voters. A fifth of the
    # young and three fifths of the old say yes: among voters (50 * 0.2 + 225 * 0.6) / 275, among all 200 / 400.
    frame = pl.DataFrame({"district": ["A", "A"], "age": ["young", "old"], "n_people": [100.0, 300.0]})
    one = Electorate(frame, pl.DataFrame({"code": ["A"], "name": ["A"]}), "district", {"age": ("young", "old")})
    design = build_design("(1|age)", one)
    opinion = drawn(design, np.array([[0, np.log(0.2 / 0.8), np.log(0.6 / 0.4)]]))
    voting = Turnout(drawn(design, np.array([[0, 0, np.log(3)]])), design)

    (nation,) = voter_draws_many(opinion, design, one, [voting], [Grouping()])

    assert_allclose(nation.drawn.of("share").draws, [[145 / 275]], rtol=1e-6)
    assert_allclose(nation.turnout.draws, [[275 / 400]], rtol=1e-6)
    assert nation.drawn.areas["n_people"].to_list() == [400]
    assert_allclose(area_draws(opinion, design, one).draws, [[0.5]], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_question_as_in_plain_loops(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_CHUNK", 60)  # blocks of a cell or two
    (design, in_loops), opinion = KINDS[kind], latents_of(kind)
    first, second = turnout(), turnout(seed=3, design=build_design("(1|sex)", WORLD))
    found = voter_draws_many(opinion, design, WORLD, [first, second], GROUPINGS)

    cells = WORLD.frame.join(WORLD.districts.select(district="code", region="region"), on="district")
    rows = cells.to_dicts()
    for s in range(N_DRAWS):
        values = in_loops(design, opinion.draws[s].astype(np.float64), cells)
        votes = np.prod([shares_in_loops(t.design, t.latents.draws[s], cells)[:, 0] for t in (first, second)], axis=0)
        for grouping, one in zip(GROUPINGS, found, strict=True):
            top: dict[tuple[str, ...], np.ndarray] = {}
            voters: dict[tuple[str, ...], float] = {}
            people: dict[tuple[str, ...], float] = {}
            for i, row in enumerate(rows):
                if (area := area_of(row, grouping)) is not None:
                    n = row["n_people"] * votes[i]
                    top[area] = top.get(area, 0) + n * values[i]
                    voters[area] = voters.get(area, 0) + n
                    people[area] = people.get(area, 0) + row["n_people"]
            named = [row[:-1] for row in one.drawn.areas.iter_rows()]
            assert sorted(named) == sorted(area for area, n in people.items() if n > 0)
            for a, area in enumerate(named):
                assert_allclose(one.drawn.draws[s, a], top[area] / voters[area], rtol=2e-5, atol=2e-6)
                assert_allclose(one.turnout.draws[s, a], voters[area] / people[area], rtol=2e-5)
    if kind not in ("numeric", "binary"):
        assert_allclose(found[1].drawn.draws.sum(axis=2), 1, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [0.37, 1 - 1e-7])
def test_if_all_are_as_likely_to_vote_voters_are_everybody(kind: str, p: float):
    (design, _), opinion = KINDS[kind], latents_of(kind)
    everybody = draws_many(opinion, design, WORLD, GROUPINGS)
    for one, whole in zip(
        voter_draws_many(opinion, design, WORLD, [everybody_alike(p)], GROUPINGS), everybody, strict=True
    ):
        assert one.drawn.areas.equals(whole.areas)
        assert (one.drawn.options, one.drawn.kind) == (whole.options, whole.kind)
        assert_allclose(one.drawn.draws, whole.draws, rtol=1e-5, atol=2e-6)
        assert_allclose(one.turnout.draws, p, rtol=1e-5)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.floats(0.1, 2), st.sampled_from(sorted(KINDS)))
def test_areas_weighted_by_their_voters_add_up_to_the_whole(seed: int, sd: float, kind: str):
    (design, _), opinion = KINDS[kind], latents_of(kind)
    nation, districts, _ = voter_draws_many(opinion, design, WORLD, [turnout(seed=seed, sd=sd)], GROUPINGS)

    voters = districts.turnout.draws * districts.drawn.areas["n_people"].to_numpy()
    merged = np.einsum("sa,sak->sk", voters, districts.drawn.draws) / voters.sum(axis=1, keepdims=True)
    assert_allclose(merged, nation.drawn.draws[:, 0], rtol=1e-5, atol=1e-6)
    assert_allclose(voters.sum(axis=1) / WORLD.frame["n_people"].sum(), nation.turnout.draws[:, 0], rtol=1e-5)


def test_turnout_that_meets_known_totals_meets_them_here():
    known = dict(zip(WORLD.codes, (0.3, 0.5, 0.7, 0.4, 0.6, 0.55), strict=True))
    plain = turnout()
    met = calibrate(plain.latents, plain.design, WORLD, {"share": known}, by="district")
    (found,) = voter_draws_many(
        latents_of("binary"), BINARY, WORLD, [Turnout(met.latents, met.design)], [Grouping(("district",))]
    )
    assert_allclose(found.turnout.draws, np.tile(list(known.values()), (N_DRAWS, 1)), atol=1e-5)


def test_who_reports_wrongly_that_they_vote_is_counted_as_what_they_did():
    # Of the young half say that they vote, of the old three quarters, a fifth of those who do not and a tenth fewer of
    # those who do: (0.5 - 0.2) / 0.7 of 100 and (0.75 - 0.2) / 0.7 of 300 do. A fifth and three fifths of them say yes.
    frame = pl.DataFrame({"district": ["A", "A"], "age": ["young", "old"], "n_people": [100.0, 300.0]})
    one = Electorate(frame, pl.DataFrame({"code": ["A"], "name": ["A"]}), "district", {"age": ("young", "old")})
    design = build_design("(1|age)", one)
    opinion = drawn(design, np.array([[0, np.log(0.2 / 0.8), np.log(0.6 / 0.4)]]))
    voting = Turnout(drawn(design, np.array([[0, 0, np.log(3)]])), design, Misreport(0.9, 0.8))

    (nation,) = voter_draws_many(opinion, design, one, [voting], [Grouping()])

    voters = 100 * 0.3 / 0.7, 300 * 0.55 / 0.7
    assert_allclose(nation.turnout.draws, [[sum(voters) / 400]], rtol=1e-6)
    assert_allclose(nation.drawn.of("share").draws, [[(0.2 * voters[0] + 0.6 * voters[1]) / sum(voters)]], rtol=1e-6)


def test_known_turnout_is_that_of_people_and_not_of_reports_and_cells_stay_possible():
    known, told = dict(zip(WORLD.codes, (0.3, 0.5, 0.7, 0.4, 0.6, 0.55), strict=True)), Misreport(0.95, 0.8)
    plain = turnout(sd=0.3)
    reported = {code: told.reported(one) for code, one in known.items()}
    met = calibrate(plain.latents, plain.design, WORLD, {"share": reported}, by="district")
    voting = Turnout(met.latents, met.design, told)
    (found,) = voter_draws_many(latents_of("binary"), BINARY, WORLD, [voting], [Grouping(("district",))])
    assert_allclose(found.turnout.draws, np.tile(list(known.values()), (N_DRAWS, 1)), atol=1e-5)

    # Where fewer say that they vote than would if nobody did, next to nobody does, and they have a mean still.
    few = Turnout(everybody_alike(0.1).latents, everybody_alike(0.1).design, told)
    (none,) = voter_draws_many(latents_of("binary"), BINARY, WORLD, [few], [Grouping()])
    (whole,) = draws_many(latents_of("binary"), BINARY, WORLD, [Grouping()])
    assert_allclose(none.turnout.draws, LEAST, rtol=1e-3)
    assert_allclose(none.drawn.draws, whole.draws, rtol=1e-4)


def test_draws_of_one_number_go_together_by_their_place_and_others_are_spread_evenly():
    opinion = latents_of("binary")
    few = turnout(n=2)
    spread = replace(few.latents, draws=few.latents.draws[[0, 0, 0, 1, 1]], fit="")
    (found,) = voter_draws_many(opinion, BINARY, WORLD, [few], [Grouping()])
    (wanted,) = voter_draws_many(opinion, BINARY, WORLD, [Turnout(spread, TURNOUT)], [Grouping()])
    assert_allclose(found.drawn.draws, wanted.drawn.draws)
    many = turnout(n=10)
    every_second = replace(many.latents, draws=many.latents.draws[::2], fit="")
    (found,) = voter_draws_many(opinion, BINARY, WORLD, [many], [Grouping()])
    (wanted,) = voter_draws_many(opinion, BINARY, WORLD, [Turnout(every_second, TURNOUT)], [Grouping()])
    assert_allclose(found.drawn.draws, wanted.drawn.draws)


def test_a_pair_has_the_longer_runs_and_is_known_by_both_fits():
    opinion, voting = latents_of("binary"), turnout(n=10)
    opinion = replace(opinion, points=np.array([0, 0, 1, 2, 3], dtype=np.int32))
    long = replace(voting.latents, points=np.repeat([4, 9], 5).astype(np.int32))
    one = voter_draws_many(opinion, BINARY, WORLD, [Turnout(long, TURNOUT)], [Grouping()])[0]
    assert one.drawn.points is not None
    assert one.drawn.points.tolist() == [4, 4, 4, 9, 9]
    other = voter_draws_many(opinion, BINARY, WORLD, [turnout(seed=8)], [Grouping()])[0]
    assert len({opinion.fit, one.drawn.fit, other.drawn.fit}) == 3
    assert other.drawn.points is None  # autocorrelations find the runs
    assert one.turnout.fit == one.drawn.fit


def test_a_question_over_time_is_looked_at_in_its_period_and_turnout_in_its_own():
    weeks = {"period": ("2024-W01", "2024-W02")}
    design, of = (build_design(f"{term} + rw1(period)", WORLD, observed=weeks) for term in ("(1|age)", "(1|sex)"))
    opinion, voting = drawn(design, normal(design)), Turnout(drawn(of, normal(of, seed=4)), of)
    (first,) = voter_draws_many(opinion, design, WORLD, [voting], [Grouping()], at={"period": "2024-W01"})
    earlier = design.at_period("2024-W01")
    (wanted,) = voter_draws_many(opinion, earlier, WORLD, [voting], [Grouping()])
    (last,) = voter_draws_many(opinion, design, WORLD, [voting], [Grouping()])
    assert_allclose(first.drawn.draws, wanted.drawn.draws)
    assert_allclose(first.turnout.draws, last.turnout.draws)
    assert np.abs(first.drawn.draws - last.drawn.draws).min() > 1e-4


def test_what_cannot_be_is_refused():
    opinion = latents_of("binary")
    assert voter_draws_many(opinion, BINARY, WORLD, [turnout()], []) == ()
    with pytest.raises(DrawsError, match=r"no turnout is given; .*draws_many"):
        voter_draws_many(opinion, BINARY, WORLD, [], [Grouping()])
    with pytest.raises(DrawsError, match="told by a binary question"):
        Turnout(latents_of("categorical"), parties.design())  # type: ignore[arg-type]
    with pytest.raises(DrawsError, match="the draws of turnout are of"):
        Turnout(opinion, TURNOUT)
    with pytest.raises(DrawsError, match="use the design that was stored"):
        voter_draws_many(opinion, TURNOUT, WORLD, [turnout()], [Grouping()])
    with pytest.raises(FrameError, match="no level 'Atlantis'"):
        voter_draws_many(opinion, BINARY, WORLD, [turnout()], [Grouping(where={"region": ("Atlantis",)})])
    nobody = build_design("1", WORLD)
    never = Turnout(drawn(nobody, np.full((N_DRAWS, 1), -200.0)), nobody)
    with pytest.raises(DrawsError, match=r"nobody votes in D00 in some draw"):
        voter_draws_many(opinion, BINARY, WORLD, [never], [Grouping(("district",))])
    elsewhere = build_design("(1|age)", WORLD.with_cells(WORLD.frame.filter(pl.col("age") != "65+")))
    young = replace(elsewhere, keys={"age": ("18-29", "30-44", "45-64")})
    with pytest.raises(UncoveredPopulation, match=r"65\+"):
        voter_draws_many(opinion, BINARY, WORLD, [turnout(design=young)], [Grouping()])
