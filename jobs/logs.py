"""How the service logs: a form for people, a form for programs, and what every line tells of its origin.

A line written while a request is answered, or a job done, carries the id of it: ``request_id``, ``job_id``. Neither
form has the message of an exception, which may quote an answer of a respondent, or its values: only its type and the
places in the program that it came through.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

__all__ = ["REQUEST_ID", "about", "configure_logging", "current_request_id", "formatter", "places_of", "tell_origin"]

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
JOB_ID: ContextVar[str | None] = ContextVar("job_id", default=None)

type ErrorInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


@contextmanager
def about(*, request_id: str | None = None, job_id: str | None = None) -> Iterator[None]:
    """Let what is logged meanwhile, by this task or thread, tell what it is about."""
    told = [(REQUEST_ID, request_id), (JOB_ID, job_id)]
    tokens = [(variable, variable.set(value)) for variable, value in told if value is not None]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


def current_request_id() -> str | None:
    """The id of the request that is being answered, if one is."""
    return REQUEST_ID.get()


def configure_logging(form: str, *, access: bool = True) -> None:
    """Log to standard error: our own messages, and warnings of libraries.

    Parameters
    ----------
    form
        The setting ``log_format``: text or json.
    access
        Whether every request has a line.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(form))
    handler.addFilter(tell_origin)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("hustings").setLevel(logging.INFO)
    logging.getLogger("hustings.access").setLevel(logging.INFO if access else logging.WARNING)


def formatter(form: str) -> logging.Formatter:
    """The formatter of a form of log."""
    if form == "text":
        return _Text("%(asctime)s %(levelname)s %(name)s: %(message)s")
    return _json()


def places_of(error: BaseException | None) -> str:
    """Where an error happened, a line for each place in the program, and not what it says."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    return "".join(f"\n  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames)


def tell_origin(record: logging.LogRecord) -> bool:
    """Filter of a handler: note on a record what it is about. A logger's own filter would not see libraries' lines."""
    for variable in (REQUEST_ID, JOB_ID):
        if (value := variable.get()) is not None:
            record.__dict__[variable.name] = value
    return True


def _without_message(info: ErrorInfo) -> str:
    """An exception and its causes, without their messages."""
    told: list[str] = []
    error = info[1]
    while error is not None and len(told) < 10:
        told.append(f"{type(error).__qualname__}{places_of(error)}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nafter ".join(told)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None  # another formatter may have left one with the message
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _without_message(ei)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        said, about = super().formatMessage(record), record.__dict__
        if REQUEST_ID.name in about:
            said += f" [request {about[REQUEST_ID.name]}]"
        if JOB_ID.name in about:
            said += f" [job {about[JOB_ID.name]}]"
        return said


def _json() -> logging.Formatter:
    from pythonjsonlogger.msgspec import MsgspecFormatter

    class Json(MsgspecFormatter):
        """One object per line; what is given as ``extra`` are its members."""

        def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
            del datefmt
            when = datetime.fromtimestamp(record.created, UTC)
            return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")

        def formatException(self, ei: Any) -> str:  # noqa: N802
            return _without_message(ei)

    names = {"asctime": "time", "levelname": "level", "name": "logger", "message": "event", "exc_info": "error"}
    return Json(list(names)[:4], rename_fields=names)
