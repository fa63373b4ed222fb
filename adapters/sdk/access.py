"""Log of an adapter: one structured line a call, on standard error. Rule: nothing about a person, nothing a caller wrote.

A line holds the path *template*, the client (an organisation), the request id that a security server made, status, sizes, time.
The message id, the user id and the issue are text of the caller's and stay out; the request id leads to them in the message
log. Of an unexpected error the type and the place are kept and its text is not (PostgreSQL quotes whole rows there).
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any, TextIO
from uuid import uuid4

import structlog
from structlog.typing import FilteringBoundLogger

from adapters.sdk.road import RoadHeaders

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def adapter_log(name: str, stream: TextIO | None = None) -> FilteringBoundLogger:
    """JSON lines on `stream` (standard error), whatever the process does with its other logs."""
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr if stream is None else stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return log.bind(adapter=name)


def _json(event: Any, **_: Any) -> str:
    ordered = {key: event[key] for key in ("ts", "level", "event") if key in event} | event
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":"), default=str)


def http_log() -> logging.Logger:
    """The logger given to the HTTP server: errors of its parser quote the request line, so their text is dropped."""
    logger = logging.getLogger("adapters.sdk.http")
    if not logger.filters:
        logger.addFilter(_without_text)
    return logger


def _without_text(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1] is not None:
        record.msg, record.args = "%s (%s)", (record.msg.partition("%")[0].strip(), record.exc_info[0])
        record.exc_info = record.exc_text = record.stack_info = None
    return True


def correlation_id(road: RoadHeaders) -> str:
    """The request id when a security server made it (a UUID), our own otherwise."""
    if road.request_id is not None and _UUID.fullmatch(road.request_id):
        return road.request_id
    return str(uuid4())


def failures(log: FilteringBoundLogger) -> Callable[[str, str, Exception], None]:
    """For pages beside an adapter: the line of an unexpected error, under the number that the page shows."""
    return lambda number, route, error: log.error(
        "internal_error", correlation_id=number, endpoint=route, **where(error)
    )


def where(error: BaseException) -> dict[str, str]:
    """Type of an error and `file:line` of its innermost frame; never its text."""
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "-"
    return {"error": type(error).__name__, "at": at}
