"""Change over HTTP: between periods of one fit, between fits without a common interview, and not otherwise."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from mrp.latents import LatentDraws
from mrp.quantity import probabilities, quantities
from tests.api.slow import check_data_share, check_ends, slow_mean, slow_probability, slow_shares
from tests.api.world import DISTRICTS, SILENT, SURVEY, WEEKS, World, wave_csv

RAIL = f"/v1/surveys/{SURVEY}/questions/rail"


def ask(world: World, **parameters: Any) -> dict[str, Any]:
    reply = world.get(f"{RAIL}/change", params=parameters)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def refused(world: World, **parameters: Any) -> str:
    reply = world.get(f"{RAIL}/change", params=parameters)
    assert reply.status_code == 422, reply.text
    return str(reply.json()["detail"])


def check(world: World, row: dict[str, Any], before: np.ndarray, after: np.ndarray, *intervals: float) -> None:
    gap = after - before
    assert_allclose([row["before"]["share"], row["after"]["share"]], [slow_mean(before), slow_mean(after)], rtol=1e-5)
    assert_allclose(row["difference"], slow_mean(gap), atol=1e-6)
    check_data_share(row["before"], before)
    check_data_share(row["after"], after)
    check_ends(row, gap, *intervals)
    chains = LatentDraws(world.fit.draws, world.fit.design.latent_names, n_chains=4)
    (size,) = quantities(gap[:, None], chains)
    assert_allclose([row["sd"], row["mc_error"]], [size.sd, size.mc_error], atol=1e-6)
    assert_allclose(row["p_rise"], slow_probability(gap, 0), atol=1e-12)
    (p,) = probabilities((gap > 0).astype(float)[:, None], chains, behind=gap[:, None])
    assert_allclose(row["p_rise_mc_error"], p.mc_error, rtol=1e-6)
    assert row["words"] == ("rise" if p.value >= 0.95 else "fall" if p.value <= 0.05 else "no clear change")
    assert row["sentence"].startswith(f"{row['words']}: {100 * slow_mean(gap):+.1f} points")


@pytest.mark.parametrize("option", ["yes", "no"])
def test_a_change_between_periods_is_taken_draw_by_draw(weekly: World, option: str):
    body = ask(weekly, level="region", by="gender", since=WEEKS[0], interval="0.8,0.95", option=option)

    assert (body["between"], body["since"], body["period"], body["before"]) == ("periods", WEEKS[0], WEEKS[2], None)
    assert len(body["changes"]) == 4
    for row in body["changes"]:
        wanted = {"region": row["area"], **row["groups"]}
        shares = [slow_shares(weekly, wanted, period=week) for week in (WEEKS[0], WEEKS[2])]
        check(weekly, row, *(shares if option == "yes" else [1 - one for one in shares]), 0.8, 0.95)


def test_the_period_before_is_the_default_also_if_nobody_was_interviewed_in_it(weekly: World):
    body = ask(weekly)

    assert (body["since"], body["period"]) == (WEEKS[1], WEEKS[2])
    check(weekly, body["changes"][0], *(slow_shares(weekly, {}, period=week) for week in WEEKS[1:]), 0.9)
    assert ask(weekly, period=WEEKS[1])["since"] == WEEKS[0]


def test_estimates_of_any_period_are_answered_and_say_which(weekly: World):
    assert weekly.estimates()["period"] == WEEKS[-1]
    for week in WEEKS:
        body = weekly.estimates(period=week, level="district")
        assert body["period"] == week
        for row in body["estimates"]:
            expected = slow_shares(weekly, {"district": row["area"]}, period=week)
            assert_allclose(row["share"], slow_mean(expected), rtol=1e-5)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"since": "2026-W10"}, "There is no period '2026-W10'."),
        ({"period": WEEKS[0]}, "is the first period of the model"),
        ({"since": WEEKS[2], "period": WEEKS[1]}, "is not before period=2026-W08"),
        ({"since": WEEKS[2]}, "is not before"),
    ],
)
def test_periods_that_are_not_there_or_not_in_order_are_refused(weekly: World, parameters: dict[str, str], told: str):
    assert told in refused(weekly, **parameters)


def test_a_model_without_periods_says_that_it_pools_its_waves(served: World):
    assert "it pools its waves, and tells no change" in refused(served)
    reply = served.get(f"{RAIL}/estimates", params={"period": WEEKS[0]})
    assert (reply.status_code, "has no term of period" in reply.json()["detail"]) == (422, True)
    assert served.estimates()["period"] is None


def test_releases_with_a_common_wave_have_no_change(world: World):
    first = world.release()
    world.release("w2", wave_csv(100, start=1000))

    told = refused(world, before=first.id)
    assert "Releases 1 and 2 have 1 wave in common" in told
    assert "/revision" in told
    assert "Ask for one of them." in refused(world, before=first.id, since=WEEKS[0])


def test_releases_that_share_no_interview_are_compared_every_draw_with_every_draw(world: World):
    first = world.release()
    before = world.fit.draws
    world.client.post(
        f"/v1/surveys/{SURVEY}/waves/w1/withdraw", headers=world.bearer("pollster"), json={"reason": "old"}
    )
    world.release("w2", wave_csv(100, start=1000))

    body = ask(world, before=first.id, level="district", interval="0.9,0.5")
    assert (body["between"], body["since"], body["before"]["release_id"]) == ("releases", None, first.id)
    assert [row["area"] for row in body["changes"]] == list(DISTRICTS)
    for row in body["changes"]:
        old = slow_shares(world, {"district": row["area"]}, before)
        new = slow_shares(world, {"district": row["area"]})
        rises = sum(1.0 if b > a else 0.5 if a == b else 0.0 for a in old for b in new) / (len(old) * len(new))
        assert_allclose(row["p_rise"], rises, atol=1e-4)
        assert_allclose(row["difference"], slow_mean(new) - slow_mean(old), atol=1e-6)
        assert_allclose(row["sd"], np.sqrt(old.var() + new.var()), rtol=1e-4)
        gaps = np.array([b - a for a in old for b in new])
        # The interval is that of differences between 256 quantiles of either.
        assert_allclose([row["low"], row["high"]], np.quantile(gaps, [0.05, 0.95]), atol=0.01)
        half = row["intervals"][1]
        assert_allclose([half["low"], half["high"]], np.quantile(gaps, [0.25, 0.75]), atol=0.01)
        assert row["words"] == ("rise" if rises >= 0.95 else "fall" if rises <= 0.05 else "no clear change")


def test_another_release_before_has_another_validator(world: World):
    earlier = [world.release().id, world.release("w2", wave_csv(100, start=1000)).id]
    for wave in ("w1", "w2"):
        url = f"/v1/surveys/{SURVEY}/waves/{wave}/withdraw"
        assert world.client.post(url, headers=world.bearer("pollster"), json={"reason": "old"}).status_code == 200
    world.release("w3", wave_csv(100, start=2000))

    replies = [world.get(f"{RAIL}/change", params={"before": one}) for one in earlier]
    assert [reply.json()["before"]["release_id"] for reply in replies] == earlier
    assert replies[0].headers["etag"] != replies[1].headers["etag"]


def test_who_has_the_answer_gets_304_and_other_periods_another_tag(weekly: World):
    first = weekly.get(f"{RAIL}/change")
    again = weekly.get(f"{RAIL}/change", headers={"If-None-Match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert weekly.get(f"{RAIL}/change", params={"since": WEEKS[0]}).headers["etag"] != first.headers["etag"]


# Mix and mind


def slow_split(world: World, row: dict[str, Any], level: str, option: str, where: dict[str, Any]) -> dict[str, Any]:
    """Raw swing, mix and mind in every draw, by loops over the perturbed counts of cells."""
    counts = world.services.releases.load(world.estimates()["release_id"]).counts
    wanted = where | ({} if level == "nation" else {level: row["area"]}) | row["groups"]
    polls: list[dict[tuple[str, ...], list[float]]] = []
    for week in (WEEKS[0], WEEKS[2]):
        cells: dict[tuple[str, ...], list[float]] = {}
        for cell in counts.iter_rows(named=True):
            if cell["period"] == week and all(cell[name] in _several(levels) for name, levels in wanted.items()):
                n, y = cells.setdefault((cell["district"], cell["gender"], cell["age"]), [0, 0])
                chosen = cell["y"] if option == "yes" else cell["n"] - cell["y"]
                cells[cell["district"], cell["gender"], cell["age"]] = [n + cell["n"], y + chosen]
        polls.append(cells)
    sizes = [sum(n for n, _ in cells.values()) for cells in polls]
    if min(sizes) < 30:
        return {"n": sizes}
    raw = [sum(y for _, y in cells.values()) / size for cells, size in zip(polls, sizes, strict=True)]
    mix, mind = np.zeros(200), np.zeros(200)
    for cell in {*polls[0], *polls[1]}:
        s1, s2 = (poll.get(cell, [0, 0])[0] / size for poll, size in zip(polls, sizes, strict=True))
        labels = dict(zip(("district", "gender", "age"), cell, strict=True))
        p1, p2 = (slow_shares(world, labels, period=week) for week in (WEEKS[0], WEEKS[2]))
        if option == "no":
            p1, p2 = 1 - p1, 1 - p2
        mix += (s2 - s1) * (p1 + p2) / 2
        mind += (s1 + s2) / 2 * (p2 - p1)
    swing = raw[1] - raw[0]
    return {"n": sizes, "raw_swing": swing, "mix": mix, "mind": mind, "noise": swing - mix - mind}


def _several(levels: str | tuple[str, ...]) -> tuple[str, ...]:
    return (levels,) if isinstance(levels, str) else levels


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["nation", "region", "district"]),
    st.lists(st.sampled_from(["gender", "age"]), unique=True),
    st.sampled_from([{}, {"age": ("young", "old")}, {"district": ("D1", "D2", "D4")}]),
    st.sampled_from(["yes", "no"]),
    st.sampled_from([(0.9,), (0.5, 0.95)]),
)
def test_a_raw_swing_is_split_as_the_loops_split_it(
    weekly: World,
    level: str,
    by: list[str],
    where: dict[str, tuple[str, ...]],
    option: str,
    intervals: tuple[float, ...],
):
    told = ",".join(f"{column}:{name}" for column, names in where.items() for name in names)
    parameters = {"level": level, "by": ",".join(by), "where": told, "option": option, "since": WEEKS[0]}
    body = ask(weekly, interval=",".join(map(str, intervals)), **parameters)

    for row in body["changes"]:
        expected = slow_split(weekly, row, level, option, where)
        split = row["mix_and_mind"]
        if min(expected["n"]) < 30:
            assert split is None
            assert row["mix_and_mind_reason"].startswith("Fewer than 30 interviews are shown in 2026-W0")
            continue
        assert row["mix_and_mind_reason"] is None
        assert_allclose(split["raw_swing"], expected["raw_swing"], atol=1e-9)
        for name in ("mix", "mind", "noise"):
            assert_allclose(split[name]["part"], slow_mean(expected[name]), atol=1e-6)
            check_ends(split[name], expected[name], *intervals)
        assert_allclose(sum(split[name]["part"] for name in ("mix", "mind", "noise")), split["raw_swing"], atol=1e-9)


def test_mix_and_mind_is_told_where_both_periods_have_enough_interviews(weekly: World):
    rows = {row["area"]: row for row in ask(weekly, since=WEEKS[0], level="district")["changes"]}

    assert rows["D1"]["mix_and_mind"] is not None
    for district in ("D6", SILENT):
        assert rows[district]["mix_and_mind"] is None
        reason = "Fewer than 30 interviews are shown in 2026-W07 and in 2026-W09."
        assert rows[district]["mix_and_mind_reason"] == reason
    (nation,) = ask(weekly)["changes"]
    assert nation["mix_and_mind_reason"] == "Fewer than 30 interviews are shown in 2026-W08."


def test_merged_groups_have_one_swing(weekly: World):
    row = ask(weekly, since=WEEKS[0], by="age", merge="age:young|middle|old=everybody")["changes"][0]
    whole = ask(weekly, since=WEEKS[0])["changes"][0]

    assert_allclose(row["mix_and_mind"]["raw_swing"], whole["mix_and_mind"]["raw_swing"])
    assert_allclose(row["mix_and_mind"]["mind"]["part"], whole["mix_and_mind"]["mind"]["part"], atol=1e-6)


def test_all_interviews_told_of_a_release_are_sums_of_one_perturbation(weekly: World):
    counts = weekly.services.releases.load(weekly.estimates()["release_id"]).counts
    (nation,) = weekly.estimates()["estimates"]
    points = weekly.get(f"{RAIL}/trend").json()["points"]
    url = f"/v1/surveys/{SURVEY}/releases/{nation_release(weekly)}/disclosure"

    total = counts["n"].sum()
    assert nation["n_interviews"] == total
    assert points[0]["n_interviews"] + points[2]["n_interviews"] == total
    assert f"{total:,}" in weekly.get(url, params={"format": "markdown"}).text


def nation_release(world: World) -> str:
    return str(world.estimates()["release_id"])


def test_between_releases_no_swing_is_split(world: World):
    first = world.release()
    url = f"/v1/surveys/{SURVEY}/waves/w1/withdraw"
    assert world.client.post(url, headers=world.bearer("pollster"), json={"reason": "old"}).status_code == 200
    world.release("w2", wave_csv(100, start=1000))

    (row,) = ask(world, before=first.id)["changes"]
    assert row["mix_and_mind"] is None
    assert "not between releases" in row["mix_and_mind_reason"]
