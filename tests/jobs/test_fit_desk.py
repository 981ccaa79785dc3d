"""What the process that fits has at hand: made once for questions that share it, and never taken for another one."""

import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from jobs import fit_desk
from jobs.fit_desk import FitDesk
from jobs.fit_process import fit
from jobs.fit_request import FitRequest
from mrp.categorical.options import Options
from mrp.errors import FormulaError
from mrp.laplace.engine import LaplaceSettings
from mrp.nuts import NutsSettings
from mrp.outcomes import BinaryOutcome, CategoricalOutcome
from tests.mrp.worlds import electorate

WORLD = electorate()
FORMULA = "lean + (1|district) + (1|age)"


def answers(seed: int, missing: int = 0) -> pl.DataFrame:
    """Counts of every cell but for some that nobody answered in."""
    rng = np.random.default_rng(seed)
    cells = WORLD.frame.select(WORLD.cell_columns)
    n = rng.integers(1, 12, cells.height)
    counts = cells.with_columns(n=n, y=rng.binomial(n, 0.3 + 0.05 * seed))
    return counts.filter(pl.int_range(pl.len()) >= missing)


def asked(seed: int, **changes: object) -> FitRequest:
    request = FitRequest(
        outcome=BinaryOutcome((f"Yes {seed}", "No")),
        formula=FORMULA,
        priors={},
        seed=seed,
        engine="laplace",
        nuts=NutsSettings(),
        laplace=LaplaceSettings(points=100, draws=400, threads=1),
        electorate=WORLD,
        counts=answers(seed),
        question=f"q{seed}",
    )
    return replace(request, **changes)  # type: ignore[arg-type]


def again(world=WORLD):
    """The same electorate as read from another request: other objects."""
    return replace(world, frame=world.frame.clone(), districts=world.districts.clone())


def test_questions_that_share_a_model_share_its_design_and_its_passes():
    desk = FitDesk()
    first = desk.take(asked(1))

    second = desk.take(asked(2, electorate=again(), counts=answers(2, missing=3)))

    assert second is first
    assert second.common is first.common
    first.common.require(first.design, first.electorate)


OTHER_FRAME = replace(WORLD, frame=WORLD.frame.with_columns(pl.col("n_people") + 1.0))
OTHER_DISTRICTS = replace(WORLD, districts=WORLD.districts.with_columns(pl.col("lean") * 2))


@pytest.mark.parametrize(
    "changes",
    [
        {"formula": "lean + (1|district)"},
        {"electorate": OTHER_FRAME},
        {"electorate": OTHER_DISTRICTS},
        {"outcome": CategoricalOutcome(Options(("Red", "Blue", "None")))},
        {"counts": answers(1).with_columns(period=pl.lit("2025-W02")), "formula": FORMULA},
    ],
    ids=["formula", "people", "predictor", "kind", "periods"],
)
def test_a_request_that_differs_gets_its_own(changes):
    desk = FitDesk()
    first = desk.take(asked(1))

    other = desk.take(asked(1, **changes))

    assert other is not first
    assert desk.take(asked(3)) is first


def test_a_model_that_cannot_be_built_leaves_the_desk_as_it_was():
    desk = FitDesk()
    first = desk.take(asked(1))

    with pytest.raises(FormulaError):
        desk.take(asked(1, formula="no_such_predictor"))

    assert desk.take(asked(1)) is first


def test_what_was_asked_for_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch):
    desk = FitDesk()
    monkeypatch.setattr(fit_desk, "MOST", 2)
    first, second = desk.take(asked(1)), desk.take(asked(1, formula="lean"))
    assert desk.take(asked(1)) is first

    desk.take(asked(1, formula="(1|age)"))

    assert desk.take(asked(1)) is first
    assert desk.take(asked(1, formula="lean")) is not second


def test_large_frames_leave_room_for_the_newest_only(monkeypatch: pytest.MonkeyPatch):
    desk = FitDesk()
    monkeypatch.setattr(fit_desk, "MOST_CELLS", WORLD.frame.height)
    first = desk.take(asked(1))
    newest = desk.take(asked(1, formula="lean"))

    assert desk.take(asked(1, formula="lean")) is newest
    assert desk.take(asked(1)) is not first


def test_fits_one_after_the_other_are_those_that_each_would_be_by_itself():
    requests = [asked(seed, counts=answers(seed, missing=2 * seed)) for seed in (1, 2, 3)]
    desk = FitDesk()
    together = [fit(one, progress=io.StringIO(), desk=desk) for one in requests]

    for request, result in zip(requests, together, strict=True):
        threads = replace(request.laplace, threads=2)
        alone = fit(replace(request, electorate=again(), laplace=threads), progress=io.StringIO())
        assert result.draws == alone.draws
        assert result.evidence == alone.evidence
        assert result.verdict == alone.verdict
        assert result.design == alone.design
        assert result.diagnostics["variation"] == alone.diagnostics["variation"]
