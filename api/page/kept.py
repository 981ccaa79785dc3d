"""Remember the inside of a page as long as everything that it was made from is the same.

What a page shows follows from the releases that answer, their state, and what was asked; the frame around it, with who
is signed in, is made for every request.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from markupsafe import Markup

from api.answering import entity_tag, ids_of
from api.page.render import Shown
from api.served import Served
from api.services import Services
from api.slots import Slots

__all__ = ["kept"]

FORM: Final = 1
"""Version of what pages show; a change of templates comes with another version of the package, and a new process."""
# Making a page computes several answers, each of which takes a slot of its own: these are apart, and taken before.
_SLOTS: Final = Slots(4, waiting=28)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of a page, in the form in which `api.answering` finds the releases that tell whom it is about."""

    asked: Hashable
    population: str | None


class _Kept(msgspec.Struct, frozen=True):
    title: str
    main: str
    announcement: str


def kept(
    services: Services,
    name: str,
    asked: Hashable,
    served: tuple[Served, ...],
    make: Callable[[], Shown],
    *,
    population: str | None = None,
) -> Shown:
    """What a page shows, from memory or made now.

    Parameters
    ----------
    name
        Of the page.
    asked
        Everything else that it depends on; equal if equal, with a ``repr`` that tells others apart.
    served
        The releases that it rests on. The boundaries of their survey are looked up here.
    population
        Whom the page is about; None: the question's own population. The releases that tell who belongs to it are looked
        up here.
    """
    query = _Asked(asked, population)
    # Maps are drawn with boundaries, which are no part of any release.
    shapes = services.memory.find_boundaries(served[0].release.survey_id)
    basis = (FORM, entity_tag(served, query, services.settings), shapes)
    tag = f"page:{name}:{hashlib.sha256(repr(basis).encode()).hexdigest()}"
    made: list[Shown] = []

    @contextmanager
    def turn() -> Iterator[Callable[[], bytes]]:
        with _SLOTS.take():
            yield write

    def write() -> bytes:
        made.append(make())
        return msgspec.json.encode(_Kept(made[0].title, str(made[0].main), made[0].announcement))

    _, body = services.answers.get(tag, turn, of=ids_of(served, query))
    found = msgspec.json.decode(body, type=_Kept)
    release = served[0].release
    return Shown(
        title=found.title,
        # It was escaped when it was made.
        main=Markup(found.main),  # noqa: S704
        survey_id=release.survey_id,
        question_id=release.question_id,
        version=tag.rpartition(":")[2][:16],
        announcement=found.announcement,
    )
