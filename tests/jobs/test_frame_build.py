"""A recipe for a frame: read with every fault, built step by step, written so that it can be traced."""

import hashlib
import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose
from polars.testing import assert_frame_equal

from api.cli import cli
from fixtures import write_demo
from jobs.errors import JobsError
from jobs.frame_build import BuiltFrame, build_frame
from jobs.frame_report import unnamed_draws, write_frame
from mrp.errors import FrameError
from mrp.frames import FrameDraws
from polling.errors import RecipeRejected
from polling.folder import load_survey_folder
from polling.frame_recipe import load_recipe
from polling.frame_report import NAME_THE_DRAWS
from polling.store import surveys
from polling.store.engine import open_store
from tests.mrp.frames.planted import BASE, VOTES, country
from tests.polling.test_frame_report import frame_checks

HEAD = """
[frame]
source = "Census of Somewhere"
date = 2024-07-04
{frame}
[demographics]
age = ["young", "old"]
{demographics}
"""
AGE = """
[tables.age]
file = "age.csv"
by = ["district", "age"]
number = "people"
columns = { district = "Area" }
[tables.age.recode.age]
"16 to 64" = "young"
"65 to 74" = "old"
"75 and over" = "old"
[tables.age.leave_out]
age = ["Total"]
"""
AGE_CSV = """Area,age,people
N,16 to 64,70
N,65 to 74,20
N,75 and over,10
N,Total,100
S,16 to 64,30
S,65 to 74,10
S,75 and over,10
S,Total,50
"""
SCHOOL = """
[tables.school]
file = "school.csv"
by = ["district", "school"]
number = "n"
"""
SCHOOL_CSV = "district,school,n\nN,degree,40\nN,none,60\nS,degree,10\nS,none,40\n"
RAKE = """
[[steps]]
do = "rake"
margins = ["age", "school"]
"""


def write(
    folder: Path, *parts: str, frame: str = "", demographics: str = 'school = ["degree", "none"]', **files: str
) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in {"age": AGE_CSV, "school": SCHOOL_CSV, **files}.items():
        (folder / f"{name}.csv").write_text(content)
    path = folder / "frame.toml"
    path.write_text(HEAD.format(frame=frame, demographics=demographics) + "".join(parts))
    return path


def built_of(path: Path) -> BuiltFrame:
    return build_frame(load_recipe(path))


def people(frame: pl.DataFrame) -> dict[tuple[str, ...], float]:
    return {row[:-1]: row[-1] for row in frame.iter_rows()}


def test_margins_are_raked_to_a_frame(tmp_path: Path):
    built = built_of(write(tmp_path, AGE, SCHOOL, RAKE))
    assert built.frame.columns == ["district", "age", "school", "n_people"]
    found = people(built.frame)
    assert found["N", "old", "degree"] == pytest.approx(30 * 40 / 100)
    assert found["S", "young", "none"] == pytest.approx(30 * 40 / 50)
    (step,) = built.steps
    assert [gap.margin for gap in step.gaps] == ["age", "school"]
    assert "age and school together" in step.assumptions[0]


def test_the_steps_of_a_recipe_follow_each_other(tmp_path: Path):
    """Product, split, merge, new districts, growth: by hand."""
    steps = """
[[steps]]
do = "product"
tables = ["age", "school"]
[[steps]]
do = "split"
column = "school"
level = "none"
into = { some = 0.25, nothing = 0.75 }
[[steps]]
do = "merge"
column = "school"
into.schooled = ["degree", "some"]
[[steps]]
do = "districts"
crosswalk = "walk"
[[steps]]
do = "grow"
totals = ["later"]
[tables.walk]
file = "walk.csv"
by = ["old", "new"]
number = "weight"
[tables.later]
file = "later.csv"
by = ["district"]
number = "n"
"""
    path = write(
        tmp_path,
        AGE,
        SCHOOL,
        steps,
        demographics='school = ["schooled", "nothing"]',
        walk="old,new,weight\nN,A,1\nS,A,0.5\nS,B,0.5\n",
        later="district,n\nA,250\nB,50\n",
    )
    found = people(built_of(path).frame)
    old_n, old_s = 30 * 0.75 * 60 / 100, 20 * 0.75 * 40 / 50
    assert found["A", "old", "nothing"] == pytest.approx((old_n + old_s / 2) * 250 / 125)
    assert found["B", "old", "nothing"] == pytest.approx(old_s / 2 * 50 / 25)
    assert sum(found.values()) == pytest.approx(300)


def test_records_are_counted_and_missing_cells_created(tmp_path: Path):
    recipe = """
[tables.people]
file = "people.csv"
by = ["age", "district"]
number = "w"
records = true
[[steps]]
do = "count"
table = "people"
thin = 3
"""
    path = write(tmp_path, recipe, demographics="", people="age,district,w\nyoung,N,2\nyoung,N,3.5\nold,N,1\nold,S,1\n")
    built = built_of(path)
    assert people(built.frame) == {("N", "young"): 5.5, ("N", "old"): 1, ("S", "young"): 0, ("S", "old"): 1}
    assert (built.n_created, built.n_empty) == (1, 1)
    assert "S / young" in built.said[1]
    assert any("districts" in warning for warning in built.steps[0].warnings)
    recipe_file = load_recipe(path)
    step = write_frame(built, recipe_file, tmp_path / "out", recipe_name="frame.toml", force=False)["steps"][0]
    assert step["districts"][1] == {"district": "S", "n_people": 1.0, "n_records": 1, "n_effective": 1.0}
    assert step["thinnest_cells"][0]["n_effective"] == 1.0


def test_frames_of_two_dates_are_interpolated_and_an_association_is_checked(tmp_path: Path):
    steps = """
[tables.start]
file = "start.csv"
by = ["district", "age"]
number = "n"
[tables.end]
file = "end.csv"
by = ["district", "age"]
number = "n"
[tables.asked]
file = "asked.csv"
by = ["district", "age"]
records = true
[[steps]]
do = "product"
tables = ["start", "one"]
[tables.one]
file = "one.csv"
by = ["district", "school"]
number = "n"
[[steps]]
do = "merge"
column = "school"
into.all = ["none"]
[[steps]]
do = "interpolate"
with = "later"
from = 2020-01-01
to = 2024-01-01
at = 2022-01-01
[tables.later]
file = "later.csv"
by = ["district", "age", "school"]
number = "n"
[[steps]]
do = "check"
table = "asked"
"""
    path = write(
        tmp_path,
        steps,
        demographics='school = ["all"]',
        start="district,age,n\nN,young,100\nN,old,100\nS,young,100\nS,old,100\n",
        end="district,age,n\nN,young,1\n",
        one="district,school,n\nN,none,200\nS,none,200\n",
        later="district,age,school,n\nN,young,all,200\nN,old,all,100\nS,young,all,100\nS,old,all,100\n",
        asked="district,age\n" + "N,young\n" * 90 + "N,old\n" * 10 + "S,young\n" * 10 + "S,old\n" * 90,
    )
    built = built_of(path)
    assert people(built.frame)["N", "young", "all"] == pytest.approx(150, rel=1e-3)
    assert "wrong cells" in built.steps[-1].warnings[0]


# Faults


def faults(path: Path) -> list[str]:
    with pytest.raises(RecipeRejected) as refused:
        load_recipe(path)
    return [str(fault) for fault in refused.value.faults]


def test_all_faults_of_a_recipe_and_its_tables_are_told_at_once(tmp_path: Path):
    path = write(
        tmp_path,
        AGE,
        SCHOOL,
        '[[steps]]\ndo = "rakes"\n[[steps]]\ndo = "rake"\nmargins = ["ages"]\nround = 3\n',
        age=AGE_CSV.replace("S,16 to 64,30", "S,16 to 46,many"),
        school=SCHOOL_CSV + "S,none,4\nS,degree,-1\n",
    )
    told = "\n".join(faults(path))
    assert "frame.toml, row 27, column 'steps[1].do': there is no such step (found 'rakes')." in told
    assert "there is no such table (found 'ages'). Did you mean 'age'?" in told
    assert "'round' is not a key" in told
    assert "age.csv, row 6, column 'people': not a number (found 'many')" in told
    assert "age.csv, row 6, column 'age': not a declared level of age (young, old) (found '16 to 46')" in told
    assert "school.csv, row 6: the same cell as in row 5 (found 'S / none')" in told
    assert "school.csv, row 7, column 'n': the number is below 0 (found '-1')" in told


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ((), "there are no steps"),
        ((AGE, '[[steps]]\ndo = "grow"\ntotals = ["age"]\n'), "no frame to go on with"),
        ((AGE, '[[steps]]\ndo = "product"\ntables = ["age"]\n'), "a product here needs two tables"),
        ((AGE.replace("age.csv", "aged.csv"), '[[steps]]\ndo = "rake"\nmargins = ["age"]\n'), "there is no such file"),
        (
            (AGE.replace('"age"]', '"aeg"]', 1), SCHOOL, RAKE),
            "no column of the frame (found 'aeg')",
        ),
        ((AGE.replace("Area", "area"), '[[steps]]\ndo = "rake"\nmargins = ["age"]\n'), "Did you mean 'Area'?"),
        (
            (AGE, '[[steps]]\ndo = "split"\ncolumn = "age"\nlevel = "old"\n'),
            "the shares of the parts are given twice, or not at all",
        ),
    ],
)
def test_a_recipe_that_leads_nowhere_is_refused(tmp_path: Path, parts: tuple[str, ...], told: str):
    assert told in "\n".join(faults(write(tmp_path, *parts)))


def test_a_step_that_cannot_be_taken_is_named(tmp_path: Path):
    path = write(tmp_path, AGE, SCHOOL, RAKE, school=SCHOOL_CSV.replace("S,none,40", "S,none,44"))
    with pytest.raises(FrameError, match=r"step 1 \(rake\): the tables 'age' and 'school' contradict .* in S"):
        built_of(path)


def test_a_frame_that_is_not_what_the_recipe_declares_is_refused(tmp_path: Path):
    path = write(tmp_path, AGE, SCHOOL, RAKE, demographics='school = ["degree", "none", "other"]')
    with pytest.raises(FrameError, match="school 'other' is declared, and no table has it"):
        built_of(path)
    path = write(tmp_path, AGE, SCHOOL, RAKE, demographics='school = ["degree", "none"]\nsex = ["f"]')
    with pytest.raises(FrameError, match="and not district, age, school, sex"):
        built_of(path)


# Writing


def test_a_report_tells_what_was_done_with_the_hashes_of_all_files(tmp_path: Path):
    path = write(tmp_path, AGE, SCHOOL, RAKE)
    out = tmp_path / "built"
    result = CliRunner().invoke(cli, ["frame", "build", str(path), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "Assumed: No margin has age and school together" in result.output
    report = json.loads((out / "frame.json").read_text())
    assert report["source"] == "Census of Somewhere"
    assert report["date"] == "2024-07-04"
    assert report["n_people"] == pytest.approx(150)
    assert report["steps"][0]["gaps"][0]["margin"] == "age"
    assert report["assumptions"]
    for place, files in ((tmp_path, report["sha256"]["inputs"]), (out, report["sha256"]["outputs"])):
        for name, digest in files.items():
            assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest
    assert set(report["sha256"]["inputs"]) == {"frame.toml", "age.csv", "school.csv"}
    again = CliRunner().invoke(cli, ["frame", "build", str(path), "--out", str(out), "--json"])
    assert json.loads(again.output) == report


def test_refusals_have_an_exit_code_and_are_documents_on_request(tmp_path: Path):
    path = write(tmp_path, AGE, '[[steps]]\ndo = "rake"\nmargins = ["ages"]\n')
    result = CliRunner().invoke(cli, ["frame", "build", str(path)])
    assert result.exit_code == 1
    assert "there is no such table" in result.output
    told = json.loads(CliRunner().invoke(cli, ["frame", "build", str(path), "--json"]).output)
    assert told["n_faults"] == 1
    missing = CliRunner().invoke(cli, ["frame", "build", str(tmp_path / "nothing.toml")])
    assert missing.exit_code == 1
    assert "cannot be read" in missing.output


def test_a_frame_of_somebody_else_is_not_replaced(tmp_path: Path):
    path = write(tmp_path, AGE, SCHOOL, RAKE)
    recipe = load_recipe(path)
    built = build_frame(recipe)
    (tmp_path / "frame.parquet").write_bytes(b"mine")
    with pytest.raises(JobsError, match="not as this command wrote it"):
        write_frame(built, recipe, tmp_path, recipe_name=path.name, force=False)
    write_frame(built, recipe, tmp_path, recipe_name=path.name, force=True)
    write_frame(built, recipe, tmp_path, recipe_name=path.name, force=False)
    (tmp_path / "frame_draws.parquet").write_bytes(b"mine")
    with pytest.raises(JobsError, match=r"frame_draws\.parquet is there"):
        write_frame(built, recipe, tmp_path, recipe_name=path.name, force=False)
    assert_frame_equal(pl.read_parquet(tmp_path / "frame.parquet"), built.frame)


def test_a_survey_takes_the_frame_that_was_built_of_its_margins(tmp_path: Path):
    folder = write_demo(tmp_path / "survey").path
    survey = load_survey_folder(folder)
    frame, names = survey.frame, [one.name for one in survey.declaration.demographics]
    lines = ["[frame]", 'source = "demo"', "date = 2025-01-01", "[demographics]"]
    lines += [f"{name} = {json.dumps(survey.declaration.levels[name])}" for name in names]
    for name in names:
        frame.group_by("district", name).agg(pl.col("n_people").sum()).write_csv(folder / f"by_{name}.csv")
        lines += [f"[tables.{name}]", f'file = "by_{name}.csv"', f'by = ["district", "{name}"]', 'number = "n_people"']
    lines += ["[[steps]]", 'do = "rake"', f"margins = {json.dumps(names)}"]
    (folder / "recipe.toml").write_text("\n".join(lines))

    result = CliRunner().invoke(cli, ["frame", "build", str(folder / "recipe.toml"), "--force"])
    assert result.exit_code == 0, result.output
    again = load_survey_folder(folder)
    assert again.frame.schema == frame.schema
    assert again.frame["n_people"].sum() == pytest.approx(frame["n_people"].sum())
    env = {"HUSTINGS_DATA_DIR": f"{tmp_path}/data", "HUSTINGS_SECRETS_FILE": f"{tmp_path}/secrets.toml"}
    added = CliRunner().invoke(cli, ["survey", "add", str(folder)], env=env)
    assert added.exit_code == 0, added.output
    report = json.loads((folder / "frame.json").read_text())
    with open_store(f"sqlite:///{tmp_path}/data/hustings.sqlite3").read() as session:
        assert surveys.get_survey(session, "demo").frame_sha256 == report["sha256"]["frame"]


# A variable of a survey


def test_a_frame_is_extended_by_a_variable_of_a_survey(tmp_path: Path):
    truth = country(3)
    truth.ask(1200, seed=4).drop("answer").write_csv(tmp_path / "asked.csv")
    lived = BASE.frame.filter(pl.col("n_people") > 0)
    lived.write_csv(tmp_path / "census.csv")
    BASE.districts.write_csv(tmp_path / "districts.csv")
    by_past = truth.frame.group_by("district", "past").agg(pl.col("n_people").sum())
    by_past.write_csv(tmp_path / "result.csv")
    levels = "\n".join(f"{name} = {json.dumps(of)}" for name, of in BASE.demographics.items())
    (tmp_path / "frame.toml").write_text(f"""
[frame]
source = "planted"
date = 2025-01-01
districts = "districts.csv"
ordered = ["age"]
[demographics]
{levels}
past = {json.dumps(VOTES)}
[tables.census]
file = "census.csv"
by = ["district", "sex", "age"]
number = "n_people"
[tables.asked]
file = "asked.csv"
by = ["district", "sex", "age", "past"]
records = true
[tables.result]
file = "result.csv"
by = ["district", "past"]
number = "n_people"
[[steps]]
do = "count"
table = "census"
[[steps]]
do = "extend"
interviews = "asked"
variable = "past"
formula = "lean + rw1(age)"
margins = ["result"]
draws = 4
""")
    result = CliRunner().invoke(cli, ["frame", "build", str(tmp_path / "frame.toml")])
    assert result.exit_code == 0, result.output
    assert "frame_draws.parquet" in result.output
    frame, draws = (pl.read_parquet(tmp_path / name) for name in ("frame.parquet", "frame_draws.parquet"))
    read = FrameDraws.from_table(draws)
    assert len(read.n_people) == 4
    # Empty cells were created in the draws as in the frame, whose order is theirs.
    assert_frame_equal(read.cells, frame.drop("n_people"))
    assert_allclose(read.mean()["n_people"], frame["n_people"], rtol=1e-9)
    for name in ("district", "past"):
        got = frame.group_by(name).agg(pl.col("n_people").sum()).sort(name)["n_people"]
        assert_allclose(got, by_past.group_by(name).agg(pl.col("n_people").sum()).sort(name)["n_people"], rtol=1e-5)
    report = json.loads((tmp_path / "frame.json").read_text())
    assert report["n_draws"] == 4
    said = frame_checks(tmp_path / "frame.parquet")
    # Nobody reads the draws yet; the build says so, and the report of the frame does not: that can change.
    assert NAME_THE_DRAWS in result.output
    assert NAME_THE_DRAWS not in " ".join(report["warnings"])
    assert f"Warning of the build: {NAME_THE_DRAWS}" in said
    (tmp_path / "survey.toml").write_text('[frame]\ndraws = "frame_draws.parquet"\n')
    assert unnamed_draws(tmp_path) == ()
    (tmp_path / "survey.toml").write_text("[frame]\n")
    assert unnamed_draws(tmp_path) == (NAME_THE_DRAWS,)
    shares: list[float] = []
    stages: list[str] = []
    build_frame(
        load_recipe(tmp_path / "frame.toml"), on_progress=lambda *told: (stages.append(told[0]), shares.append(told[1]))
    )
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {"count", "extend: draw", "extend: rake the draws"} <= set(stages)
    assert f"{report['n_cells_created']:,} of its cells are in none of the tables" in " ".join(said)
    assert [f"Assumed in building it: {one}" for one in report["assumptions"]] == [
        one for one in said if one.startswith("Assumed")
    ]


def test_the_recipe_of_the_readme_builds_a_frame(tmp_path: Path):
    section = (Path(__file__).parents[2] / "README.md").read_text().split("### The frame")[1]
    (tmp_path / "frame.toml").write_text(section.split("```toml\n")[1].split("```")[0])
    files = {
        "ages": "Area code,age,count\nN,18-44,60\nN,45+,40\nS,18-44,50\nS,45+,150\n",
        "degrees": "district,education,count\nN,degree,30\nN,none,70\nS,degree,90\nS,none,110\n",
        "sample": "age,education,weight\n18-44,degree,3\n18-44,none,2\n45+,degree,1\n45+,none,4\n",
        "roll": "district,electors\nN,110\nS,190\n",
    }
    for name, content in files.items():
        (tmp_path / f"{name}.csv").write_text(content)
    found = people(built_of(tmp_path / "frame.toml").frame)
    north = [found["N", age, school] for age in ("18-44", "45+") for school in ("degree", "none")]
    assert sum(north) == pytest.approx(110)
    assert north[0] * north[3] / (north[1] * north[2]) == pytest.approx(3 * 4 / 2)


def test_shares_of_a_table_split_a_level_and_a_table_is_joined_to_the_frame(tmp_path: Path):
    steps = """
[tables.parts]
file = "parts.csv"
by = ["district", "age"]
number = "share"
[[steps]]
do = "count"
table = "ages"
[tables.ages]
file = "ages.csv"
by = ["district", "age"]
number = "n"
[[steps]]
do = "split"
column = "age"
level = "old"
shares = "parts"
[[steps]]
do = "product"
tables = ["school"]
"""
    path = write(
        tmp_path,
        SCHOOL,
        steps,
        ages="district,age,n\nN,young,70\nN,old,30\nS,young,30\nS,old,20\n",
        parts="district,age,share\nN,older,0.5\nN,oldest,0.5\nS,older,0.75\nS,oldest,0.25\n",
    )
    path.write_text(path.read_text().replace('age = ["young", "old"]', 'age = ["young", "older", "oldest"]'))
    built = built_of(path)
    found = people(built.frame)
    assert found["S", "oldest", "degree"] == pytest.approx(20 / 4 * 10 / 50)
    assert found["N", "older", "none"] == pytest.approx(15 * 0.6)
    assert built.steps[0].told == ("The cells of ages were taken as they are.",)
    assert [step.n_people for step in built.steps] == [pytest.approx(150)] * 3


def test_a_variable_is_joined_by_a_model_to_the_proportions_of_a_result(tmp_path: Path):
    truth = country(3)
    truth.ask(800, seed=4).with_columns(w=pl.lit(2.0)).write_csv(tmp_path / "asked.csv")
    BASE.frame.write_csv(tmp_path / "census.csv")
    votes = truth.frame.group_by("district", "past").agg(pl.col("n_people").sum() * 0.6)
    votes.write_csv(tmp_path / "votes.csv")
    levels = "\n".join(f"{name} = {json.dumps(of)}" for name, of in BASE.demographics.items())
    recipe = f"""
[frame]
source = "planted"
date = 2025-01-01
[demographics]
{levels}
past = {json.dumps([*VOTES, "unknown"])}
[tables.census]
file = "census.csv"
by = ["district", "sex", "age"]
number = "n_people"
[tables.asked]
file = "asked.csv"
by = ["district", "sex", "age", "past"]
number = "w"
records = true
[tables.votes]
file = "votes.csv"
by = ["district", "past"]
number = "n_people"
[[steps]]
do = "count"
table = "census"
[[steps]]
do = "model"
interviews = "asked"
variable = "past"
formula = "(1|age)"
margins = ["votes"]
proportions = ["votes"]
"""
    path = tmp_path / "frame.toml"
    path.write_text(recipe)
    with pytest.raises(FrameError, match=r"step 2 \(model\): the margin 'votes' says nothing of .* unknown"):
        built_of(path)
    path.write_text(recipe.replace(', "unknown"', ""))
    built = built_of(path)
    assert built.draws is None
    assert any("weights were not used" in said for said in built.steps[1].told)
    got = built.frame.group_by("district", "past").agg(pl.col("n_people").sum()).sort("district", "past")
    assert_allclose(got["n_people"] * 0.6, votes.sort("district", "past")["n_people"], rtol=1e-4)
    path.write_text(recipe.replace("records = true\n", ""))
    told = "\n".join(faults(path))
    assert "the same cell as in row" in told
