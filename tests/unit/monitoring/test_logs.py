from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from gateway.monitoring.logs import LibraryHandler, build_log, route_library_logs, where


@pytest.fixture
def library() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A library's logger whose only way out is our handler."""
    stream = io.StringIO()
    logger = logging.getLogger("a.library")
    logger.propagate = False
    logger.handlers = [LibraryHandler(build_log(stream, console=False))]
    yield logger, stream
    logger.handlers = []


def test_lines_are_json_with_time_level_and_event_first() -> None:
    stream = io.StringIO()
    build_log(stream, console=False).info("started", server="VN/GOV/G01/ss1", note="Bắt đầu")
    assert list(json.loads(stream.getvalue())) == ["ts", "level", "event", "server", "note"]
    assert "Bắt đầu" in stream.getvalue()


def test_a_person_at_a_terminal_gets_no_json() -> None:
    stream = io.StringIO()
    build_log(stream, console=True).info("started", server="VN/GOV/G01/ss1")
    assert "started" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_levels_below_the_wanted_one_cost_no_line() -> None:
    stream = io.StringIO()
    build_log(stream, console=False, level=logging.WARNING).info("started")
    assert stream.getvalue() == ""


def test_what_a_library_formats_into_its_text_stays_out(library: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = library
    logger.error("Error handling request from %s", "/v1/persons/001099012345")
    logger.error("Task exception was never retrieved\nfuture: ValueError('001099012345')")
    assert "001099012345" not in stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["what"] for line in lines] == ["Error handling request from %s", "Task exception was never retrieved"]
    assert {line["logger"] for line in lines} == {"a.library"}


def test_an_exception_is_its_type_and_place(library: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = library
    try:
        int("001099012345x")
    except ValueError:
        logger.exception("unhandled")
    line = json.loads(stream.getvalue())
    assert (line["error"], line["at"].partition(":")[0]) == ("ValueError", "test_logs.py")
    assert "001099012345" not in stream.getvalue()


def test_our_own_lines_quote_no_exception_either() -> None:
    stream = io.StringIO()
    log = build_log(stream, console=False)
    try:
        int("001099012345x")
    except ValueError as e:
        log.error("one", exc_info=e)
        log.error("two", exc_info=True)
        log.exception("three")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["error"], line["at"].partition(":")[0]) for line in lines] == [
        ("one", "ValueError", "test_logs.py"),
        ("two", "ValueError", "test_logs.py"),
        ("three", "ValueError", "test_logs.py"),
    ]
    assert "001099012345" not in stream.getvalue()


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert where(KeyError("x")) == {"error": "KeyError", "at": "-"}


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the process-wide log set-ups back."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    monkeypatch.setattr(logging.getLogger("aiohttp.access"), "disabled", False)


@pytest.mark.usefixtures("untouched")
def test_routing_turns_access_logs_off() -> None:
    route_library_logs(build_log(io.StringIO(), console=False))
    assert [type(h) for h in logging.getLogger().handlers] == [LibraryHandler]
    assert logging.getLogger("aiohttp.access").disabled
