"""The table of problems."""

import inspect

import pytest
from litestar.exceptions import HTTPException, InternalServerException, NotFoundException
from sqlalchemy.exc import OperationalError

from api import errors
from api.problems import PROBLEMS, answer
from polling.errors import SurveyNotFound, SurveyVersionNotFound, WaveRejected
from polling.faults import Fault


def test_every_refusal_of_the_edge_has_a_kind_of_its_own():
    refusals = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, errors.ApiError)]

    assert {one for one in refusals if one not in PROBLEMS} == {errors.ApiError}


def test_a_slug_has_one_status_and_is_a_slug():
    statuses: dict[str, set[int]] = {}
    for kind in PROBLEMS.values():
        statuses.setdefault(kind.type, set()).add(kind.status)
        assert kind.type == kind.type.lower().replace(" ", "-")
        assert kind.title
    assert all(len(found) == 1 for found in statuses.values())


def test_an_error_without_an_entry_is_answered_like_its_nearest_base():
    problem, _ = answer(SurveyVersionNotFound("town", 3))

    assert (problem.status, problem.type) == (404, PROBLEMS[SurveyNotFound].type)
    assert "3" in problem.detail


def test_faults_travel_with_their_number():
    faults = [Fault(None, row, "age", "x", "not a level", "Send a level.") for row in range(2, 202)]

    problem, _ = answer(WaveRejected(faults, n_rows=500))

    assert problem.faults is not None
    assert (len(problem.faults), problem.n_faults, problem.n_rows) == (100, 200, 500)
    assert problem.faults[0]["row"] == 2


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (InternalServerException("client disconnected prematurely"), 400, "before the body did"),
        (RecursionError("maximum recursion depth exceeded"), 400, "nested too deeply"),
        (KeyError("canary"), 500, "has a fault"),
        (OperationalError("SELECT canary", {}, Exception("canary")), 503, "did not answer"),
        (NotFoundException(), 404, "Not Found."),
        (HTTPException(status_code=418, detail="teapot"), 418, "teapot."),
    ],
)
def test_what_is_said_about_an_error(error: Exception, status: int, detail: str):
    problem, _ = answer(error)

    assert problem.status == status
    assert detail in problem.detail
    assert "canary" not in problem.detail


def test_only_401_asks_for_a_key():
    assert answer(errors.KeyMissing())[1] == {"WWW-Authenticate": "Bearer"}
    assert answer(errors.RoleRefused("reader", ["admin"]))[1] == {}
