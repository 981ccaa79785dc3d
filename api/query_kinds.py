"""The kinds of queries that can be asked many at a time: the functions behind GET routes, with their parameters."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler

from api.errors import RequestRefused, UnknownParameter
from api.problems import A_MOMENT, NO_MOMENT
from api.query_parameters import asked
from api.routes.comparisons import get_change, get_contrast, get_probability, get_rank, get_revision
from api.routes.districts import get_battleground, get_district_profile, get_seats
from api.routes.estimates import get_estimates, get_means
from api.routes.methods import get_methods
from api.routes.trends import get_trend
from api.strict import refuse_nul

__all__ = ["KINDS", "Kind"]

NAMED = {"services", "survey_id", "question_id", "return"}
"""Of ``asked``, what a query says otherwise."""
ONE_FORM = "format"
"""A parameter of a GET that is none here: all answers come in one body of JSON."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of query."""

    ask: Callable[..., Response[Any]]
    """The function behind the route; takes ``request``, ``asked`` and the parameters of its own."""
    shared: Mapping[str, Any]
    """Types of the parameters that every kind has."""
    own: Mapping[str, Any]
    """Types of its own."""
    needed: frozenset[str]

    def read(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Its shared parameters, and its own, from the fields of a query.

        Raises
        ------
        UnknownParameter
            If it has no such parameter; names the nearest.
        RequestRefused
            If a value has another type, or one that is needed is missing.
        """
        types = {**self.shared, **self.own}
        for name in given:
            if name not in types:
                raise UnknownParameter(name, types)
        values = {name: _value(name, value, types[name]) for name, value in given.items() if value is not None}
        for name in sorted(self.needed - set(values)):
            raise RequestRefused(f"This kind of query needs {name}.")
        shared = {name: value for name, value in values.items() if name in self.shared}
        return shared, {name: value for name, value in values.items() if name in self.own}


def _value(name: str, value: Any, wanted: Any) -> Any:
    if name == "interval" and isinstance(value, int | float) and not isinstance(value, bool):
        value = repr(value)
    if isinstance(value, str):
        refuse_nul(value, name)
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        told = str(error).replace(NO_MOMENT, A_MOMENT)
        raise RequestRefused(f"{name}: {told}. It is written as in the URL of a GET.") from None


def _kind(handler: HTTPRouteHandler) -> Kind:
    # As it was decorated: an application has copies that run it in a thread.
    function: Callable[..., Any] = handler.fn
    own = {name: one for name, one in get_type_hints(function).items() if name not in ("request", "asked", "return")}
    defaults = inspect.signature(function).parameters
    return Kind(
        ask=function,
        shared={name: one for name, one in get_type_hints(asked).items() if name not in {*NAMED, ONE_FORM}},
        own=own,
        needed=frozenset(name for name in own if defaults[name].default is inspect.Parameter.empty),
    )


KINDS: dict[str, Kind] = {
    name: _kind(handler)
    for name, handler in {
        "estimates": get_estimates,
        "means": get_means,
        "probability": get_probability,
        "rank": get_rank,
        "contrast": get_contrast,
        "change": get_change,
        "revision": get_revision,
        "trend": get_trend,
        "methods": get_methods,
        "seats": get_seats,
        "battleground": get_battleground,
        "district": get_district_profile,
    }.items()
}
