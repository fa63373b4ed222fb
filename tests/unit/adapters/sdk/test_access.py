import io
import json
import logging
from uuid import UUID

import pytest

from adapters.sdk import RoadHeaders
from adapters.sdk.access import adapter_log, correlation_id, http_log, where


def test_lines_are_json_and_vietnamese_stays_readable() -> None:
    stream = io.StringIO()
    adapter_log("dancu", stream).info("loaded", place="Vân Hải")
    line = stream.getvalue()
    assert line.endswith("\n")
    assert "Vân Hải" in line
    assert list(json.loads(line))[:3] == ["ts", "level", "event"]


def test_request_id_of_a_security_server_is_kept() -> None:
    made = "6F2C9B0E-55a4-4a86-9d0e-1f4c6a1f7a10"
    assert correlation_id(RoadHeaders(request_id=made)) == made


@pytest.mark.parametrize("request_id", [None, "", "999300000017", "6f2c9b0e-55a4-4a86-9d0e-1f4c6a1f7a10 x"])
def test_any_other_request_id_is_replaced(request_id: str | None) -> None:
    assert str(UUID(correlation_id(RoadHeaders(request_id=request_id)))) != request_id


def test_parser_errors_lose_their_text(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("GET /v1/persons/999300000017")
    except ValueError as error:
        http_log().error("Error handling request from %s", "127.0.0.1", exc_info=error)
    assert "999300000017" not in caplog.text
    assert "Error handling request from (<class 'ValueError'>)" in caplog.text
    assert caplog.records[0].levelno == logging.ERROR


def test_where() -> None:
    try:
        raise KeyError("999300000017")
    except KeyError as error:
        place = where(error)
    assert place["error"] == "KeyError"
    assert place["at"].startswith("test_access.py:")
    assert where(KeyError())["at"] == "-"
