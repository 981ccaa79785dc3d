"""The attack on counts (``tests.polling.test_disclosure_attack``) over HTTP: what a reader is told of whom."""

import io
import itertools
import re
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from polling.disclosure import perturb_counts
from polling.store import fits, releases
from tests.api.world import AGES, GENDERS, REGIONS, SURVEY, World, wave_csv

COLUMNS = ("district", "gender", "age")
QUESTION = f"/v1/surveys/{SURVEY}/questions/rail"


@pytest.fixture(scope="module")
def attacked(served: World) -> World:
    """A survey with two releases, the second with 17 interviews more."""
    served.release("w2", wave_csv(17, start=1000))
    return served


def cells_of(world: World, number: int) -> pl.DataFrame:
    """The true counts behind a release, which nobody is told: district, gender, age and ``n``."""
    with world.store.read() as session:
        found = {one.number: one for one in releases.list_releases(session, SURVEY, "rail")}
        counts = pl.read_parquet(io.BytesIO(fits.load_counts(session, found[number].fit_id)))
    return counts.group_by(COLUMNS).agg(pl.col("n").sum())


def asked(world: World, release: str) -> dict[tuple[tuple[str, str], ...], int | None]:
    """What a reader is told of every group by up to three columns: its levels, and its interviews."""
    told: dict[tuple[tuple[str, str], ...], int | None] = {}
    filters = ["", *(f"gender:{one}" for one in GENDERS), *(f"age:{one}" for one in AGES)]
    for level, where in itertools.product(("nation", "district"), filters):
        column = where.partition(":")[0]
        for by in ("", "gender", "age", "gender,age"):
            if column and column in by:
                continue
            parameters = {"level": level, "by": by, "where": where, "release": release}
            reply = world.get(f"{QUESTION}/estimates", "reader", params={k: v for k, v in parameters.items() if v})
            assert reply.status_code == 200, reply.text
            for row in reply.json()["estimates"]:
                group = dict(row["groups"])
                if level == "district":
                    group["district"] = row["area"]
                if where:
                    group[column] = where.partition(":")[2]
                name = tuple(sorted(group.items()))
                # Another way to the same group says the same.
                assert told.setdefault(name, row["n_interviews"]) == row["n_interviews"]
    return told


def test_every_count_is_the_sum_of_the_shown_cells_or_withheld_and_two_releases_share_their_noise(attacked: World):
    listed = attacked.get(f"{QUESTION}/releases", "reader").json()["releases"]
    key = attacked.secrets.disclosure_key()
    shown = {}
    for one in listed:
        cells = cells_of(attacked, one["number"])
        shown[one["number"]] = perturb_counts(cells, by=COLUMNS, survey=SURVEY, key=key)
        n_told = 0
        for group, n in asked(attacked, one["id"]).items():
            inside = shown[one["number"]].filter(*(pl.col(column) == level for column, level in group))
            total = int(inside["n"].sum())
            assert n == (total if total >= 30 else None)
            n_told += n is not None
        assert n_told > 20
    first, second = (cells_of(attacked, number).rename({"n": "true"}) for number in (1, 2))
    same = first.join(second, on=[*COLUMNS, "true"]).select(COLUMNS)
    assert 0 < same.height < first.height
    assert shown[1].join(same, on=COLUMNS).sort(COLUMNS).equals(shown[2].join(same, on=COLUMNS).sort(COLUMNS))


def test_no_body_that_a_reader_gets_has_an_exact_total(attacked: World):
    listed = attacked.get(f"{QUESTION}/releases", "reader").json()["releases"]
    totals = {one["number"]: int(cells_of(attacked, one["number"])["n"].sum()) for one in listed}
    assert totals == {1: 400, 2: 417}
    bodies = [attacked.get(path, "reader") for path in reader_paths(listed)]

    assert all(one.status_code == 200 for one in bodies)
    # 400 is round; 417 and the 17 between them are not.
    nation = attacked.get(f"{QUESTION}/estimates", "reader").json()["estimates"][0]["n_interviews"]
    for body in bodies:
        for number in numbers_of(body.json()):
            assert number == nation or number not in (417, 17)


def reader_paths(listed: list[dict[str, Any]]) -> list[str]:
    """Where readers may look for a total."""
    base = f"/v1/surveys/{SURVEY}"
    asks = (
        "probability?threshold=0.5", "rank?level=district", "districts/D1", "seats", "battleground", "revision",
        "methods",
    )  # fmt: skip
    paths = [base, f"{base}/questions", QUESTION, *(f"{QUESTION}/{ask}" for ask in ("releases", "estimates", *asks))]
    for one in listed:
        paths += [f"{base}/releases/{one['id']}", f"{base}/releases/{one['id']}/disclosure"]
        paths.append(f"{base}/releases/{one['id']}/representation")
    return paths


def numbers_of(value: Any) -> list[float]:
    """Every number in a body, also those in words."""
    if isinstance(value, dict):
        return [n for one in value.values() for n in numbers_of(one)]
    if isinstance(value, list):
        return [n for one in value for n in numbers_of(one)]
    if isinstance(value, str):
        return [float(n) for n in re.findall(r"(?<![\w.:-])\d+(?![\w.:-])", value.replace(",", ""))]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def asked_methods(world: World) -> Iterator[tuple[tuple[tuple[str, str], ...], dict[str, Any]]]:
    """The methods' rows for every group by up to three columns."""
    filters = ["", *(f"gender:{one}" for one in GENDERS), *(f"age:{one}" for one in AGES)]
    for level, where in itertools.product(("nation", "region", "district"), filters):
        column = where.partition(":")[0]
        for by in ("", "gender", "age", "gender,age"):
            if column and column in by:
                continue
            parameters = {"level": level, "by": by, "where": where}
            reply = world.get(f"{QUESTION}/methods", "reader", params={k: v for k, v in parameters.items() if v})
            assert reply.status_code == 200, reply.text
            for row in reply.json()["methods"]:
                group = dict(row["groups"]) | ({} if level == "nation" else {level: row["area"]})
                yield tuple(sorted((group | ({column: where.partition(":")[2]} if where else {})).items())), row


def test_raw_shares_of_all_groups_tell_nothing_but_the_shown_cells(attacked: World):
    # Whoever solves for the cells gets the shown ones: what they hide of a single answer is tested with the noise.
    with attacked.store.read() as session:
        current = releases.current_release(session, SURVEY, "rail")
        assert current is not None
        counts = pl.read_parquet(io.BytesIO(fits.load_counts(session, current.fit_id)))
    key = attacked.secrets.disclosure_key()
    shown = perturb_counts(counts, by=COLUMNS, survey=SURVEY, question="rail", key=key).with_columns(
        region=pl.col("district").replace_strict(REGIONS)
    )
    n_told = 0
    for group, row in asked_methods(attacked):
        inside = shown.filter(*(pl.col(column) == level for column, level in group))
        n, y = int(inside["n"].sum()), int(inside["y"].sum())
        assert (row["raw"] is None) == (row["weighted"] is None) == (n < 30)
        if row["raw"] is not None:
            assert row["raw"]["share"] == pytest.approx(min(max(y / n, 0), 1))
            n_told += 1
    assert n_told > 40


def test_no_answer_of_a_small_group_is_told_by_a_weight_or_a_word(attacked: World):
    # The share of a level below the threshold is not in the words, nor is its number anywhere.
    for _, row in asked_methods(attacked):
        if row["raw"] is None:
            assert "%" not in row["sentence"]
            assert (row["n_interviews"], row["raw_minus_mrp"], row["weighted_minus_mrp"]) == (None, None, None)
            assert (row["mrp"]["n_interviews"], row["mrp"]["pooling"]) == (None, None) or row["flags"] == [
                "no-interviews"
            ]
