"""What the measurement of the interface asks for, and what it says where a program is missing."""

import itertools
from pathlib import Path

import pytest

from fixtures.demo import write_demo
from jobs.api_bench import crosstabs
from jobs.errors import ToolMissing
from jobs.read_peer import datasette, hammer
from jobs.survey import load_survey
from polling.folder import SurveyBundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> SurveyBundle:
    folder = tmp_path_factory.mktemp("bench") / "survey"
    write_demo(folder, n_districts=8, n_waves=1, n_interviews=50, n_demographics=4)
    return load_survey(folder)


@pytest.mark.parametrize(("columns", "filtered"), [((1, 2), False), ((3,), True)])
def test_crosstabs_have_so_many_columns_and_none_comes_twice(
    bundle: SurveyBundle, columns: tuple[int, ...], filtered: bool
):
    asked = list(crosstabs(bundle, "rail", 60, columns=columns, filtered=filtered, seed=1))
    names = {one.name: one.levels or () for one in bundle.declaration.demographics}

    assert {len(query.get("by", "").split(",")) if "by" in query else 0 for query in asked} <= {0, *range(1, 4)}
    for query in asked:
        by = query["by"].split(",") if "by" in query else []
        assert len(by) + (query["level"] != "nation") in columns
        assert set(by) <= set(names)
        assert ("where" in query) == filtered
        if filtered:
            column, level = query["where"].split(":")
            assert column not in by
            assert level in names[column]
    assert not any(one == other for one, other in itertools.combinations(asked, 2))
    assert asked == list(crosstabs(bundle, "rail", 60, columns=columns, filtered=filtered, seed=1))


def test_a_program_that_is_missing_is_named_with_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(ToolMissing, match=r"wrk is not installed.*apt-get install wrk"):
        hammer("http://127.0.0.1:9", {}, connections=1, seconds=1)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(ToolMissing, match=r"Datasette is not installed.*make setup"), datasette(tmp_path, [{"a": 1}]):
        pass
