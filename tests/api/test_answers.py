"""Answers in memory: made once, and nobody is held up by the first answer of a new release."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from api.answers import Answers


class Kitchen:
    """Makes answers when it is told to; counts how many threads are in their turn and how often it was asked."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.made = self.turns = 0

    def turn(self, body: bytes) -> Callable[[], Any]:
        @contextmanager
        def one() -> Iterator[Callable[[], bytes]]:
            self.turns += 1
            yield lambda: self._make(body)

        return one

    def _make(self, body: bytes) -> bytes:
        self.made += 1
        self.begun.set()
        assert self.go.wait(30)
        return body


@pytest.fixture
def kitchen() -> Kitchen:
    return Kitchen()


def ready(body: bytes) -> Callable[[], Any]:
    """A turn that makes at once."""

    @contextmanager
    def one() -> Iterator[Callable[[], bytes]]:
        yield lambda: body

    return one


@contextmanager
def slowly(answers: Answers, kitchen: Kitchen, tag: str, body: bytes, asked: object) -> Iterator[list[Any]]:
    """While another thread makes an answer; what it got is in the list afterwards."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.append(answers.get(tag, kitchen.turn(body), asked=asked)))
    thread.start()
    assert kitchen.begun.wait(30)
    try:
        yield got
    finally:
        kitchen.go.set()
        thread.join()


def test_who_asks_while_a_new_answer_is_made_gets_the_one_before_with_its_own_tag(kitchen: Kitchen):
    answers = Answers(clock=lambda: 0.0)
    answers.get("old", ready(b"old"), asked="q")

    with slowly(answers, kitchen, "new", b"new", "q") as got:
        meanwhile = answers.get("new", kitchen.turn(b"new"), asked="q")

    assert meanwhile == ("old", b"old")
    assert got == [("new", b"new")]
    assert answers.get("new", kitchen.turn(b"new"), asked="q") == ("new", b"new")
    assert (kitchen.made, kitchen.turns) == (1, 1)


def test_who_asks_alone_gets_the_newest(kitchen: Kitchen):
    answers = Answers(clock=lambda: 0.0)
    kitchen.go.set()
    answers.get("old", ready(b"old"), asked="q")

    assert answers.get("new", kitchen.turn(b"new"), asked="q") == ("new", b"new")


@pytest.mark.parametrize(
    ("asked", "pause"),
    [("q", 1.01), ("other", 0.0), (None, 0.0)],
    ids=["it was right too long ago", "it answers something else", "only this answer will do"],
)
def test_otherwise_the_new_answer_is_waited_for(kitchen: Kitchen, asked: str | None, pause: float):
    now = [0.0]
    answers = Answers(clock=lambda: now[0])
    answers.get("old", ready(b"old"), asked="q")
    now[0] += pause
    waiting: list[Any] = []

    with slowly(answers, kitchen, "new", b"new", asked):
        second = threading.Thread(target=lambda: waiting.append(answers.get("new", kitchen.turn(b"-"), asked=asked)))
        second.start()
        while kitchen.turns < 2:  # it takes its turn to wait
            second.join(0.01)
        assert waiting == []
    second.join()

    assert waiting == [("new", b"new")]
    assert kitchen.made == 1


def test_an_answer_before_is_given_for_a_second_and_no_longer(kitchen: Kitchen):
    now = [0.0]
    answers = Answers(clock=lambda: now[0])
    answers.get("old", ready(b"old"), asked="q")

    with slowly(answers, kitchen, "new", b"new", "q"):
        for _ in range(3):  # being given does not make it right again
            now[0] += 0.3
            assert answers.get("new", kitchen.turn(b"new"), asked="q") == ("old", b"old")
        now[0] += 0.2
        kitchen.go.set()
        assert answers.get("new", kitchen.turn(b"new"), asked="q") == ("new", b"new")


def test_an_answer_that_cannot_be_made_leaves_nothing_behind(kitchen: Kitchen):
    answers = Answers(clock=lambda: 0.0)
    answers.get("old", ready(b"old"), asked="q")

    @contextmanager
    def refused() -> Iterator[Any]:
        raise ValueError("no such level")
        yield

    with pytest.raises(ValueError, match="no such level"):
        answers.get("new", refused, asked="q")

    kitchen.go.set()
    assert answers.get("new", kitchen.turn(b"new"), asked="q") == ("new", b"new")
