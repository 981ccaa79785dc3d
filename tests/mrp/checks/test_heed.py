"""Checks of many interviews go block by block: with the same result, and no farther than they are told to."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mrp.checks.answered import log_likelihood
from mrp.checks.estimate_scores import estimate_scores
from mrp.checks.left_out import LeftOut, leave_cells_out
from mrp.checks.margins import margins_of
from mrp.checks.of_kinds import predictive_by_estimand
from mrp.checks.prior_checks import prior_predictive
from mrp.checks.sensitivity import parameter_space, sensitivity
from mrp.outcomes import BinaryOutcome, OrdinalOutcome
from mrp.priors import Priors
from tests.mrp.checks.test_kinds import FORMULA, NUMBERS, PARTIES, SOUTH, asked, drawn
from tests.mrp.checks.worlds import WORLD

BY = (*WORLD.cell_columns, "pollster")
KINDS: dict[str, tuple[Any, str, str]] = {
    "options": (SOUTH, "party", "softmax"),
    "scale": (OrdinalOutcome(PARTIES), "party", "cumulative-logit"),
    "numbers": (NUMBERS, "number", "identity"),
    "binary": (BinaryOutcome(("yes", "no")), "answer", "logit"),
}


def fit_of(kind: str) -> Any:
    """Draws, design, electorate and counts; no fit, which is not what is looked at."""
    outcome, answer, link = KINDS[kind]
    design = outcome.build(FORMULA, WORLD)
    counts = outcome.collapse(asked(), by=BY, answer=answer)
    return drawn(design, link=link), design, WORLD, counts


def everything(kind: str, heed: Callable[[], None]) -> dict[str, Any]:
    """What the checks that need no other fit say, and what they say it of."""
    latents, design, world, counts = fit_of(kind)
    left_out = leave_cells_out(latents, design, world, counts, heed=heed)
    margins = margins_of(world, counts)
    space, priors = parameter_space(design, Priors()), Priors()
    hypers = np.random.default_rng(2).uniform(0.1, 0.9, (len(latents.draws), space.size))
    told: dict[str, Any] = {
        "left out": left_out,
        "scores": estimate_scores(left_out, world, least=1, heed=heed),
        "margins": predictive_by_estimand(latents, design, world, counts, margins, heed=heed),
        "likelihood": log_likelihood(latents, design, world, counts, heed=heed),
    }
    if kind != "numbers":
        told["sensitivity"] = sensitivity(latents, design, world, counts, priors=priors, hypers=hypers, heed=heed)
    return told


def numbers(value: Any) -> list[float]:
    """All numbers in what a check says, in order."""
    if isinstance(value, LeftOut):
        return [float(x) for one in (value.elpd, value.k_hat, value.mean, value.n, value.share) for x in one.ravel()]
    if isinstance(value, np.ndarray):
        return [float(x) for x in value.ravel()]
    if isinstance(value, dict):
        return [x for one in value.values() for x in numbers(one)]
    if isinstance(value, tuple | list):
        return [x for one in value for x in numbers(one)]
    if hasattr(value, "__dataclass_fields__"):
        return [x for name in value.__dataclass_fields__ for x in numbers(getattr(value, name))]
    return [float(value)] if isinstance(value, int | float) else []


@pytest.mark.parametrize("kind", KINDS)
def test_block_by_block_is_as_all_at_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0, 0]

    def count(which: int) -> Callable[[], None]:
        def heed() -> None:
            calls[which] += 1

        return heed

    whole = everything(kind, count(0))
    for module in ("answered", "estimate_scores", "left_out", "margin_sums"):
        monkeypatch.setattr(f"mrp.checks.{module}._BLOCK", 700)
    monkeypatch.setattr("mrp.categorical.poststratification._CHUNK", 700)
    monkeypatch.setattr("mrp.categorical.poststratification._UNHEEDED", 1)
    blocks = everything(kind, count(1))

    for name, told in whole.items():
        assert_allclose(numbers(blocks[name]), numbers(told), rtol=2e-3, atol=2e-4, err_msg=name)
    assert len(numbers(whole)) > 1000
    assert calls[1] > calls[0] + 20, "it is asked between blocks"


@pytest.mark.parametrize("kind", KINDS)
def test_a_check_ends_where_it_is_told_to(kind: str) -> None:
    class Enough(Exception):
        pass

    latents, design, world, counts = fit_of(kind)

    def refuse() -> None:
        raise Enough

    margins = margins_of(world, counts)
    space = parameter_space(design, Priors())
    hypers = np.full((len(latents.draws), space.size), 0.5)
    left_out = leave_cells_out(latents, design, world, counts)
    told: list[Callable[[], Any]] = [
        lambda: leave_cells_out(latents, design, world, counts, heed=refuse),
        lambda: estimate_scores(left_out, world, heed=refuse),
        lambda: predictive_by_estimand(latents, design, world, counts, margins, heed=refuse),
        lambda: prior_predictive(design, world, Priors(), seed=1, heed=refuse),
        lambda: sensitivity(latents, design, world, counts, priors=Priors(), hypers=hypers, heed=refuse),
    ]
    for one in told:
        with pytest.raises(Enough):
            one()
