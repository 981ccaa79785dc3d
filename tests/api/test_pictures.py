"""Pictures and the file of a release's fit, over HTTP and from the command line."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from jobs import pictures
from polling.store import audit, fits
from polling.store.engine import open_store
from tests.api.world import SURVEY, World, make_world

BASE = f"/v1/surveys/{SURVEY}"


@pytest.fixture(scope="module")
def world(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One release; tests only read from it."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "hustings.db").write_bytes(_sqlite_template.read_bytes())
    store = open_store(f"sqlite:///{folder}/hustings.db")
    made = make_world(store, folder)
    with made.client:
        made.push()
        made.work()
        yield made
    store.close()


def release(world: World) -> str:
    return str(world.get(f"{BASE}/questions/rail/releases").json()["releases"][0]["url"])


def test_each_picture_that_is_listed_is_there_and_may_run_nothing(world: World):
    listed = world.get(f"{release(world)}/figures", "reader").json()["figures"]
    assert [one["name"] for one in listed] == [
        "variation",
        "prior-posterior",
        "coefficients",
        "rank",
        "trace",
        "energy",
        "ess",
    ]
    for one in listed:
        reply = world.get(one["url"], "reader")
        assert reply.status_code == 200, (one["name"], reply.text)
        assert reply.headers["content-type"].startswith("image/svg+xml")
        assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
        assert one["alt"]
        assert one["title"] in reply.text
        again = world.get(one["url"], headers={"If-None-Match": reply.headers["etag"]})
        assert again.status_code == 304


def test_pictures_are_made_once_and_kept_with_the_draws(world: World, monkeypatch: pytest.MonkeyPatch):
    assert world.get(f"{release(world)}/figures/rank").status_code == 200

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("api.pictures.make_figures", never)
    assert world.get(f"{release(world)}/figures/energy").status_code == 200


def test_a_name_that_is_none_names_the_nearest(world: World):
    reply = world.get(f"{release(world)}/figures/ranks")
    assert reply.status_code == 422
    assert reply.json()["nearest"] == "rank"


def test_the_file_opens_with_arviz_and_holds_the_draws_and_no_interview(world: World, tmp_path: Path):
    import arviz

    reply = world.get(f"{release(world)}/datatree", "analyst")
    assert reply.status_code == 200, reply.text
    (tmp_path / "fit.nc").write_bytes(reply.content)
    with arviz.from_netcdf(tmp_path / "fit.nc") as tree:
        assert set(tree.children) == {"posterior", "sample_stats", "prior"}
        mine = world.fit.draws[:, 0]
        assert_allclose(tree["posterior"]["intercept"].to_numpy().ravel(), mine, rtol=1e-6)
        assert tree.attrs["formula"] == "gender + (1|district)"
        assert not np.isin(["observed_data", "log_likelihood", "constant_data"], list(tree.children)).any()
    with world.store.read() as session:
        assert list(audit.read_entries(session))[-1].action == "draws-read"


def test_the_two_lines_of_the_readme_open_it(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```ipython\n(.*?)```", readme, flags=re.DOTALL)
    (tmp_path / "fit.nc").write_bytes(world.get(f"{release(world)}/datatree", "analyst").content)
    monkeypatch.chdir(tmp_path)
    assert len(list(filter(None, lines.splitlines()))) == 2
    exec(compile(lines, "README.md", "exec"), {})


def test_a_picture_process_that_fails_is_told_and_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pictures, "TIMEOUT_S", 0.01)
    reply = world.get(f"{release(world)}/datatree", "analyst")
    assert reply.status_code == 503
    assert reply.json()["type"].endswith("pictures-failed")
    assert not list(world.settings.spool_dir.glob("fit-*"))


def test_pictures_of_another_version_are_made_anew():
    packed = pictures.pack_figures({"rank": "<svg/>"}, confirmed=False)
    assert pictures.unpack_figures(packed, confirmed=False) == {"rank": "<svg/>"}
    assert pictures.unpack_figures(packed, confirmed=True) is None


def test_figures_go_with_the_draws(world: World):
    with world.store.read() as session:
        fit_id = world.get(release(world)).json()["fit_id"]
        assert fits.load_figures(session, fit_id) is not None
        assert fits.load_evidence(session, fit_id) is not None
