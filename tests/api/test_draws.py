"""The draws of a release, downloaded: every answer can be computed from them, and no interview is in them."""

import io
import itertools
import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sqlalchemy import text

from polling.store import audit, fits
from polling.store.engine import open_store
from tests.api.slow import slow_mean, slow_quantile
from tests.api.test_revisions import change_survey
from tests.api.world import AGES, DISTRICTS, GENDERS, REGIONS, SURVEY, World, frame_table, make_world, wave_csv

BASE = f"/v1/surveys/{SURVEY}"
WEEKS = ("2026-W07", "2026-W08", "2026-W09")
FORMULA = "gender + income + (1|district) + (1|age) + (1|district:gender) + (1|period)"


@pytest.fixture(scope="module")
def weekly(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A release of a model with a predictor, crossed effects and weeks; tests only read from it."""
    folder = tmp_path_factory.mktemp("draws")
    (folder / "hustings.db").write_bytes(_sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{folder}/hustings.db")
    world = make_world(store, folder)
    with world.client:
        change_survey(world, "survey.toml", "gender + (1|district)", FORMULA)
        for number, start in enumerate(("2026-02-09", "2026-02-23")):
            days = {"fieldwork_start": start, "fieldwork_end": start}
            assert world.push(f"w{number}", wave_csv(200, start=1000 * number), **days).status_code == 202
        world.work()
        yield world
    store.close()


def url(world: World) -> str:
    return str(world.get(f"{BASE}/questions/rail/releases").json()["releases"][0]["url"]) + "/draws"


def table(world: World, name: str, **parameters: Any) -> pl.DataFrame:
    reply = world.get(url(world), "analyst", params={"table": name, **parameters})
    assert reply.status_code == 200, reply.text
    return pl.read_parquet(io.BytesIO(reply.content))


class Download:
    """What an analyst has: shares of every cell, draw by draw, from the three tables and nothing else."""

    def __init__(self, world: World) -> None:
        self.cells = table(world, "cells").rows(named=True)
        self.latents = table(world, "draws").drop(".draw", ".chain", ".point").to_numpy().astype(float)
        self.shares = {week: self._shares(table(world, "design", period=week)) for week in WEEKS}

    def _shares(self, design: pl.DataFrame) -> dict[int, np.ndarray]:
        eta: dict[int, np.ndarray] = {}
        for row, latent, weight in design.iter_rows():
            eta[row] = eta.get(row, 0.0) + weight * self.latents[:, latent]
        return {row: 1 / (1 + np.exp(-sum_)) for row, sum_ in eta.items()}

    def share(self, wanted: dict[str, tuple[str, ...]], week: str) -> tuple[np.ndarray, float]:
        """Draws of the share of the people who have one of the levels of every column; and their number."""
        total, people = np.zeros(len(self.latents)), 0.0
        for cell in self.cells:
            if all(cell[column] in levels for column, levels in wanted.items()):
                total = total + cell["n_people"] * self.shares[week][cell[".row"]]
                people += cell["n_people"]
        return total / people if people else total, people


@pytest.fixture(scope="module")
def download(weekly: World) -> Download:
    return Download(weekly)


LEVELS = {
    "gender": GENDERS,
    "age": AGES,
    "district": DISTRICTS,
    "region": tuple(sorted(set(REGIONS.values()))),
}


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """Any level, breakdown, filter, option, period and interval."""
    columns = draw(st.lists(st.sampled_from(list(LEVELS)), unique=True, max_size=3))
    return {
        "level": draw(st.sampled_from(["nation", "region", "district"])),
        "by": draw(st.lists(st.sampled_from(["gender", "age"]), unique=True)),
        "where": {
            column: tuple(draw(st.lists(st.sampled_from(LEVELS[column]), unique=True, min_size=1)))
            for column in columns
        },
        "option": draw(st.sampled_from(["yes", "no"])),
        "period": draw(st.sampled_from(WEEKS)),
        "interval": draw(st.sampled_from([0.5, 0.8, 0.95])),
    }


@given(query=queries())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_equals_a_slow_reference_computed_from_the_download(
    weekly: World, download: Download, query: dict[str, Any]
):
    where = ",".join(f"{column}:{level}" for column, levels in query["where"].items() for level in levels)
    asked = {name: query[name] for name in ("level", "option", "period", "interval")}
    body = weekly.estimates(**asked, by=",".join(query["by"]) or None, where=where or None)

    found = {(row["area"], *row["groups"].values()): row for row in body["estimates"]}
    withheld = {(row["area"], *row["groups"].values()) for row in body["withheld"]}
    areas = ("all",) if query["level"] == "nation" else LEVELS[query["level"]]
    for area, *levels in itertools.product(areas, *(LEVELS[name] for name in query["by"])):
        wanted = dict(query["where"])
        own = {} if area == "all" else {query["level"]: area}
        for column, level in (own | dict(zip(query["by"], levels, strict=True))).items():
            wanted[column] = tuple({level} & set(wanted.get(column, (level,))))
        draws, people = download.share(wanted, query["period"])
        key = (area, *levels)
        if people < 100:
            assert key not in found
            assert key in withheld or not people
            continue
        share = draws if query["option"] == "yes" else 1 - draws
        tail = (1 - query["interval"]) / 2
        row = found.pop(key)
        assert_allclose(row["share"], slow_mean(share), atol=1e-6)
        assert_allclose(
            [row["low"], row["high"]], [slow_quantile(share, tail), slow_quantile(share, 1 - tail)], atol=1e-6
        )
        assert_allclose(row["sd"], share.std(), atol=1e-6)
        assert row["n_people"] == people
    assert found == {}


def test_the_recipe_of_the_readme_makes_the_districts_of_the_service(
    served: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    fences = re.findall(r"^```py\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    (recipe,) = [one for one in fences if "/draws?table=" in one]
    key = served.bearer("analyst")["Authorization"].removeprefix("Bearer ")
    for name, value in {"URL": "http://testserver", "RELEASE": url(served).split("/")[-2], "ANALYST_KEY": key}.items():
        monkeypatch.setenv(name, value)

    def urlopen(request: urllib.request.Request) -> io.BytesIO:
        path = request.full_url.removeprefix("http://testserver").replace("/demo/", f"/{SURVEY}/")
        reply = served.client.get(path, headers=dict(request.header_items()))
        assert reply.status_code == 200, reply.text
        return io.BytesIO(reply.content)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    exec(compile(recipe, "README.md", "exec"), {})

    expected = served.estimates(level="district")["estimates"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(expected) == len(DISTRICTS)
    for line, row in zip(lines, expected, strict=True):
        district, *numbers = line.replace("[", " ").replace("]", " ").split()
        assert district == row["area"]
        assert_allclose([float(one) for one in numbers], [row["share"], row["low"], row["high"]], atol=1e-6)


def test_the_tables_are_the_frame_the_latents_and_nothing_of_the_interviews(weekly: World):
    draws, design, cells = (table(weekly, name) for name in ("draws", "design", "cells"))

    assert draws.columns == [".draw", ".chain", ".point", *weekly.fit.design.latent_names]
    assert (draws[:, 3:].to_numpy() == weekly.fit.draws).all()
    assert draws[".chain"].value_counts(sort=True)["count"].to_list() == [50] * 4
    frame = frame_table().with_columns(pl.col("n_people").cast(pl.Float64))
    key = ["district", "gender", "age"]
    assert cells.drop(".row", "region").sort(key).equals(frame.sort(key))
    assert cells["region"].to_list() == [REGIONS[district] for district in cells["district"]]
    assert design.columns == [".row", ".latent", "weight"]
    assert not design.select(".row", ".latent").is_duplicated().any()


def test_not_one_count_of_interviews_is_in_any_file(world: World):
    """Some cells get a number of interviews that nothing else has, and that number is looked for everywhere."""
    rows = ["id,district,gender,age,rail"]
    for c, cell in enumerate(frame_table().select("district", "gender", "age").head(4).iter_rows()):
        rows += [f"r{c}-{i},{','.join(cell)},{'yes' if i % 3 else 'no'}" for i in range(1009 + 3 * c)]
    held = world.push(content=("\n".join(rows) + "\n").encode()).json()["wave_id"]
    world.client.post(
        f"{BASE}/waves/{held}/let-through", headers=world.bearer("analyst"), json={"reason": "odd on purpose"}
    )
    world.work()
    with world.store.read() as session:
        fit_id = session.execute(text("SELECT fit_id FROM release")).scalar_one()
        counts = pl.read_parquet(io.BytesIO(fits.load_counts(session, fit_id)))
    secret = {float(n) for n in counts["n"]} | {float(n) for n in counts.select(pl.sum("n")).to_series()}
    numbers = {name for name, kind in counts.schema.items() if kind.is_numeric()}
    assert secret >= {1009.0, 1012.0, 1015.0, 1018.0}

    for name in ("draws", "design", "cells"):
        reply = world.get(url(world), "analyst", params={"table": name})
        told = pl.read_parquet(io.BytesIO(reply.content))
        assert not numbers & set(told.columns)
        for column in told.select(pl.selectors.numeric()):
            if not column.name.startswith("."):
                assert not secret & set(column.cast(pl.Float64).to_list()), (name, column.name)
        about = pl.read_parquet_metadata(io.BytesIO(reply.content))["hustings"]
        assert not {str(int(n)) for n in secret} & set(re.findall(r"\d+", about))


def test_a_file_says_what_it_is_in_both_forms(served: World):
    parquet = served.get(url(served), params={"table": "cells"})
    arrow = served.get(
        url(served), params={"table": "cells"}, headers={"Accept": "application/vnd.apache.arrow.stream"}
    )

    assert parquet.headers["content-type"] == "application/vnd.apache.parquet"
    assert parquet.headers["content-disposition"] == 'attachment; filename="town-rail-cells-1.parquet"'
    about = json.loads(pl.read_parquet_metadata(io.BytesIO(parquet.content))["hustings"])
    assert (about["table"], about["option"], about["district"], about["link"]) == ("cells", "yes", "district", "logit")
    assert (about["release_id"], about["release_number"]) == (url(served).split("/")[-2], 1)
    stream = pa.ipc.open_stream(arrow.content)
    assert json.loads(stream.schema.metadata[b"hustings"]) == about
    assert stream.read_all().to_pydict() == pl.read_parquet(io.BytesIO(parquet.content)).to_dict(as_series=False)


def test_each_table_and_form_has_its_validator(weekly: World):
    asked = [
        *({"table": name, "format": form} for name in ("draws", "design", "cells") for form in ("parquet", "arrow")),
        {"table": "design", "period": WEEKS[0]},
    ]
    tags = [weekly.get(url(weekly), params=one).headers["etag"] for one in asked]

    assert len(set(tags)) == len(tags)
    again = weekly.get(url(weekly), params=asked[0], headers={"If-None-Match": tags[0]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tags[0])
    assert again.headers["cache-control"] == "private, no-cache"
    head = weekly.client.head(url(weekly), params=asked[0], headers=weekly.bearer("analyst"))
    full = weekly.get(url(weekly), params=asked[0])
    assert (head.content, head.headers["content-length"]) == (b"", str(len(full.content)))


def test_a_read_is_in_the_audit_chain_and_what_sends_nothing_is_not(served: World):
    def reads() -> list[Any]:
        with served.store.read() as session:
            return [one for one in audit.read_entries(session) if one.action == "draws-read"]

    before = len(reads())
    reply = served.get(url(served), "analyst")
    served.get(url(served), "analyst", headers={"If-None-Match": reply.headers["etag"]})
    served.client.head(url(served), headers=served.bearer("analyst"))

    (entry,) = reads()[before:]
    assert entry.actor == f"key:{served.bearer('analyst')['Authorization'].split('_')[1]}"
    assert (entry.survey_id, entry.subject) == (SURVEY, url(served).split("/")[-2])
    assert entry.detail == {"table": "draws", "form": "parquet"}


@pytest.mark.parametrize(
    ("parameters", "status", "kind", "told"),
    [
        ({"table": "counts"}, 422, "unknown-choice", "There is no table 'counts'. Allowed: draws, cells, design."),
        ({"table": "cell"}, 422, "unknown-choice", "Did you mean 'cells'?"),
        ({"format": "csv"}, 422, "unknown-choice", "There is no format 'csv'. Allowed: parquet, arrow."),
        ({"period": "2026-W01"}, 422, "bad-estimate-query", "has no term of period"),
    ],
)
def test_what_is_not_there_is_refused(served: World, parameters: dict[str, str], status: int, kind: str, told: str):
    reply = served.get(url(served), params=parameters)
    assert (reply.status_code, reply.json()["type"]) == (status, kind)
    assert told in reply.json()["detail"]


@pytest.mark.parametrize("role", ["pollster", "reader", "dpo", "monitor"])
def test_only_analysts_and_admins_download_draws(served: World, role: str):
    assert served.get(url(served), role).status_code == 403


def test_draws_that_are_gone_are_answered_with_the_reason(world: World):
    world.release()
    with world.store.write() as session:
        session.execute(text("DELETE FROM fit_draws"))

    reply = world.get(url(world), "analyst")

    assert (reply.status_code, reply.json()["type"]) == (410, "draws-gone")
    assert "kept for 7 days" in reply.json()["detail"]
