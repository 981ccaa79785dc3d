"""A survey with several frames: what they do not agree on is in every interval, and is told."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from api.provenance import model_differences
from api.release_cache import LoadedRelease
from mrp.poststratification import area_draws, cell_shares
from polling.store import releases
from polling.store.engine import open_store
from tests.api.test_populations import POPULATIONS, turnout_csv
from tests.api.world import SURVEY, World, change_survey, frame_table, make_world
from tests.polling.test_frame_draws import two
from tests.polling.test_frame_report import report_of

OLD = 0.8
"""By how much of their number the frames differ in old people."""


@pytest.fixture(scope="module")
def drawn(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A service with a release over two frames, and the id of one before, over their mean; tests only read from it."""
    folder = tmp_path_factory.mktemp("frames")
    shutil.copy(_sqlite_template, folder / "hustings.db")
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    with world.client:
        change_survey(world, "survey.toml", 'model = "gender + (1|district)"', 'model = "(1|age) + (1|district)"')
        change_survey(world, "survey.toml", "[questions.rail]", POPULATIONS + "[questions.rail]")
        assert world.push("records", turnout_csv(), pollster="Beta", role="admin").status_code == 202
        world.work()
        before = world.release()
        report_of(world.settings.data_dir / SURVEY / "frame.csv", source="Census", date="2021")
        two(OLD).rename({"n_people": "count"}).write_csv(world.settings.data_dir / SURVEY / "draws.csv")
        told = 'count = "count"\nsource = "Census"\ndate = "2021"\ndraws = "draws.csv"'
        change_survey(world, "survey.toml", 'count = "count"', told)
        world.work()
        yield world, before.id
    store.close()


def current(world: World, question: str = "rail") -> LoadedRelease:
    with world.store.read() as session:
        release = releases.current_release(session, SURVEY, question)
    assert release is not None
    return world.services.releases.load(release.id)


def by_hand(loaded: LoadedRelease, inside: pl.Expr) -> np.ndarray:
    """Shares of some people, each draw with its frame, in plain sums."""
    frame = frame_table()
    share = cell_shares(loaded.latents, loaded.design, frame)
    people = [two(OLD).filter(pl.col("draw") == number)["n_people"].to_numpy() for number in (7, 9)]
    mask = frame.select(inside).to_series().to_numpy()
    return np.array([share[s, mask] @ people[s % 2][mask] / people[s % 2][mask].sum() for s in range(len(share))])


@pytest.mark.parametrize(
    ("query", "inside"),
    [
        ("", pl.col("age").is_not_null()),
        ("?level=region", pl.col("district").is_in(["D1", "D2", "D3"])),
        ("?level=district", pl.col("district") == "D1"),
        ("?by=age", pl.col("age") == "middle"),
        ("?level=district&where=gender:man", (pl.col("district") == "D1") & (pl.col("gender") == "man")),
        ("?by=age&merge=age:young|middle=other", pl.col("age") != "old"),
        ("?level=district&by=gender", (pl.col("district") == "D1") & (pl.col("gender") == "man")),
    ],
)
def test_an_estimate_is_made_over_the_frames(drawn: tuple[World, str], query: str, inside: pl.Expr):
    world, _ = drawn
    rows = world.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates{query}", "reader").json()["estimates"]
    wanted = {"D1", "North", "all"}
    groups = [{}, {"age": "middle"}, {"age": "other"}, {"gender": "man"}]
    (row,) = [one for one in rows if one["area"] in wanted and one["groups"] in groups]
    loaded = current(world)
    expected = by_hand(loaded, inside)
    assert_allclose([row["share"], row["sd"]], [expected.mean(), expected.std()], rtol=1e-5)


@pytest.mark.parametrize(
    ("query", "inside"),
    [
        ("", pl.col("age").is_not_null()),
        ("&level=district", pl.col("district") == "D1"),
        ("&by=age&merge=age:young|middle=other", pl.col("age") != "old"),
    ],
)
def test_an_estimate_among_voters_is_made_over_the_frames(drawn: tuple[World, str], query: str, inside: pl.Expr):
    world, _ = drawn
    body = world.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates?population=voters{query}", "reader").json()
    groups = [{}, {"age": "other"}]
    (row,) = [one for one in body["estimates"] if one["area"] in {"D1", "all"} and one["groups"] in groups]
    frame = frame_table()
    share, listed, votes = (
        cell_shares(one.latents, one.design, frame)
        for one in (current(world, q) for q in ("rail", "listed", "turnout"))
    )
    people = [two(OLD).filter(pl.col("draw") == number)["n_people"].to_numpy() for number in (7, 9)]
    assert len(share) == len(listed) == len(votes)
    mask = frame.select(inside).to_series().to_numpy()
    found, number = [], []
    for s in range(len(share)):
        voters = people[s % 2] * listed[s] * votes[s]
        found.append(share[s, mask] @ voters[mask] / voters[mask].sum())
        number.append(voters.sum())
    assert_allclose([row["share"], row["sd"]], [np.mean(found), np.std(found)], rtol=1e-5)
    assert_allclose(body["population"]["n_people"], np.mean(number), rtol=1e-3)
    assert_allclose(
        [body["population"]["low"], body["population"]["high"]], np.quantile(number, [0.05, 0.95]), rtol=1e-3
    )


def test_what_is_not_known_of_the_frame_is_told_in_answers_and_in_the_statement(drawn: tuple[World, str]):
    world, before = drawn
    loaded = current(world)
    note = "Who lives where is known through 2 draws of the population frame (Census, of 2021)"
    body = world.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates", "reader").json()
    assert [one for one in body["data_notes"] if one.startswith(note)]
    said = world.get(f"/v1/surveys/{SURVEY}/releases/{loaded.release.id}/disclosure").text
    assert f"The frame is the mean of 2 draws (SHA-256 {loaded.declaration.frame_draws_sha256})" in said
    assert "The largest gap that was left is of 31.2 people (1.23% of all), at D1 / he of sex." in said
    assert "Assumed in building it: Age and sex go together as in the sample." in said
    earlier = world.services.releases.load(before)
    assert earlier.frames is None
    assert not world.get(f"/v1/surveys/{SURVEY}/releases/{before}").json()["data_notes"]
    assert [one for one in model_differences(earlier, loaded) if one.startswith("The draws of the population frame")]
    assert loaded.fit.seed == earlier.fit.seed  # nothing that the likelihood sees is another
    over = loaded.drawn(())["share"].draws
    assert not np.allclose(over, area_draws(loaded.latents, loaded.design, loaded.electorate).draws, atol=1e-3)


def test_the_people_of_every_frame_are_downloaded_and_the_file_says_which_goes_with_which_draw(
    drawn: tuple[World, str],
):
    world, before = drawn
    loaded = current(world)

    def table(name: str, release: str = loaded.release.id) -> tuple[pl.DataFrame, dict[str, Any]]:
        reply = world.get(f"/v1/surveys/{SURVEY}/releases/{release}/draws?table={name}", "analyst")
        assert reply.status_code == 200, reply.text
        told = pl.read_parquet_metadata(io.BytesIO(reply.content))["hustings"]
        return pl.read_parquet(io.BytesIO(reply.content)), json.loads(told)

    (draws, _), (design, _), (cells, told) = (table(name) for name in ("draws", "design", "cells"))
    assert told["n_frames"] == 2
    assert ".people[s mod 2]" in told["use_of_frames"]
    people = cells.select(".people[0]", ".people[1]").to_numpy().T
    assert_allclose(people.mean(axis=0), cells["n_people"])
    weight = np.zeros((design[".row"].max() + 1, draws.width - 3))
    weight[design[".row"], design[".latent"]] = design["weight"]
    share = 1 / (1 + np.exp(-draws[:, 3:].to_numpy().astype(float) @ weight.T))[:, cells[".row"]]
    nation = np.array([share[s] @ people[s % 2] / people[s % 2].sum() for s in range(len(share))])
    (row,) = world.get(f"/v1/surveys/{SURVEY}/questions/rail/estimates", "reader").json()["estimates"]
    assert_allclose([row["share"], row["sd"]], [nation.mean(), nation.std()], rtol=1e-5)
    # Of one frame nothing is said.
    alone, told = table("cells", before)
    assert not {name for name in alone.columns if name.startswith(".people")}
    assert "n_frames" not in told
