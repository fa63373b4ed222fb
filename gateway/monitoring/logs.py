"""Log set-up: one JSON object a line on standard error, colours instead when a person is looking at a terminal.

Lines are structured and few; for the one of each exchange there is a shorter way (`LineLog`). Text that others wrote (messages of
exceptions, formatted arguments of library log calls) stays out of them, because it can hold a path, a header or a body.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

Log = FilteringBoundLogger
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING}


def build_log(stream: TextIO | None = None, *, console: bool | None = None, level: int = logging.INFO) -> Log:
    """A logger that writes whole lines to `stream` (standard error). `console`: None = only when it is a terminal."""
    out = sys.stderr if stream is None else stream
    log: Log = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=_processors(out.isatty() if console is None else console),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    return log


class LineLog:
    """The same log for a line that is written so often that its fields come rendered. Arguments as of `build_log`."""

    def __init__(self, stream: TextIO | None = None, *, console: bool | None = None) -> None:
        out = sys.stderr if stream is None else stream
        for_a_person = out.isatty() if console is None else console
        self._console = build_log(out, console=True) if for_a_person else None
        self._write = structlog.WriteLogger(out).msg

    def write(self, level: Literal["info", "warning"], event: str, fields: str) -> None:
        """`fields`: members of a JSON object, `"side":"client","bytes":12`. OSError or ValueError when the stream is gone."""
        if self._console is None:
            self._write(f'{{"ts":"{_now()}","level":"{level}","event":"{event}",{fields}}}')
        else:
            self._console.log(_LEVELS[level], event, **json.loads(f"{{{fields}}}"))


def _processors(console: bool) -> list[Processor]:
    if not console:
        return [_places_for_exceptions, _json]
    return [
        structlog.processors.add_log_level,
        _places_for_exceptions,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(),
    ]


def _places_for_exceptions(_: Any, __: str, event: EventDict) -> EventDict:
    """`exc_info` becomes type and place: the text of an exception may quote what it choked on."""
    found = event.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event.update(where(error))
    return event


def _json(_: Any, level: str, event: EventDict) -> str:
    level = "error" if level == "exception" else level
    # `ts`, `level`, `event` first: that is what a person's eye looks for in a raw line.
    return encode({"ts": _now(), "level": level, "event": event.pop("event", None), **event})


def _now() -> str:
    return f"{datetime.now(UTC).replace(tzinfo=None).isoformat()}Z"


def route_library_logs(log: Log, *, level: int = logging.WARNING) -> None:
    """Send what libraries log (asyncio, aiohttp) through `log`; their access logs are off, since a line there holds the path."""
    root = logging.getLogger()
    root.handlers[:] = [LibraryHandler(log)]
    root.setLevel(level)
    logging.getLogger("aiohttp.access").disabled = True


class LibraryHandler(logging.Handler):
    """One line a record: the constant part of its text, and for an exception its type and where it was raised."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        what = str(record.msg).partition("\n")[0]
        fields = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields |= where(record.exc_info[1])
        try:
            self._log.log(record.levelno, "library", what=what, **fields)
        except (OSError, ValueError):  # standard error is gone: nobody is left to be told
            self.handleError(record)


def where(error: BaseException) -> dict[str, str]:
    """`{"error": type, "at": file:line}` of the innermost frame; never the error's own text."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "-"
    return {"error": type(error).__name__, "at": at}
