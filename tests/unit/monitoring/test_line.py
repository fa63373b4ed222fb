from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest

from gateway.exchange.ports import ExchangeSummary
from gateway.monitoring.line import ExchangeLine
from gateway.monitoring.logs import LineLog

UUID = "6c1a9d4e-2f3b-4a5c-8d7e-9f0a1b2c3d4e"
SUMMARY = ExchangeSummary(
    side="client",
    outcome="ok",
    client="VN/GOV/G15/hotich",
    service="VN/GOV/0100109106/dancu/person",
    message_id=f"VN-{UUID}",
    request_id=UUID,
    status=200,
    request_bytes=1000,
    response_bytes=24,
    seconds=0.0123456,
)
PERSON = "001099012345"


def written(summary: ExchangeSummary) -> dict[str, object]:
    stream = io.StringIO()
    ExchangeLine(LineLog(stream, console=False)).write(summary)
    assert stream.getvalue().count("\n") == 1
    value: dict[str, object] = json.loads(stream.getvalue())
    return value


def test_the_line_of_a_good_exchange() -> None:
    line = written(SUMMARY)
    assert str(line.pop("ts")).endswith("Z")
    assert line == {
        "level": "info",
        "event": "exchange",
        "side": "client",
        "outcome": "ok",
        "client": "VN/GOV/G15/hotich",
        "service": "VN/GOV/0100109106/dancu/person",
        "message_id": f"VN-{UUID}",
        "request_id": UUID,
        "status": 200,
        "bytes": 1024,
        "ms": 12.35,
    }


def test_a_person_at_a_terminal_reads_the_same_without_json() -> None:
    stream = io.StringIO()
    ExchangeLine(LineLog(stream, console=True)).write(SUMMARY)
    assert stream.getvalue().count("\n") == 1
    for text in ("info", "exchange", "client", "VN/GOV/G15/hotich", "status", "200", "12.35"):
        assert text in stream.getvalue()
    assert '"' not in stream.getvalue()


def test_a_failed_exchange_is_a_warning_in_known_words() -> None:
    line = written(replace(SUMMARY, outcome=f"server.serverproxy.{PERSON}", status=None))
    assert (line["level"], line["outcome"], line["status"]) == ("warning", "server.serverproxy.other", None)


@pytest.mark.parametrize("message_id", ["-", UUID, UUID.upper(), f"VN-{UUID}", f"ee-dev-{UUID}", f"CS-TEST-{UUID}"])
def test_ids_made_by_machines_are_logged(message_id: str) -> None:
    assert written(replace(SUMMARY, message_id=message_id))["message_id"] == message_id


@pytest.mark.parametrize(
    "message_id",
    [
        PERSON,
        f"{PERSON}-{UUID}",
        f"VN{PERSON}-{UUID}",
        f"{UUID}-{PERSON}",
        f"00000000-0000-0000-0000-{PERSON}",  # no UUID version: somebody padded a number
        f"6c1a9d4e-2f3b-4a5c-8d7e-{PERSON}",  # looks like a UUID, ends in twelve digits
        f"{UUID}\n",
        "tra-cứu-Nguyễn-Văn-A",
        "\ud800",
        "",
    ],
)
def test_ids_made_by_people_are_hashed(message_id: str) -> None:
    logged = str(written(replace(SUMMARY, message_id=message_id, request_id=message_id))["message_id"])
    assert logged.startswith("h:")
    assert len(logged) == 18
    assert PERSON not in logged


def test_equal_ids_stay_comparable_within_one_process_only() -> None:
    one, other = (ExchangeLine(LineLog(io.StringIO(), console=False)) for _ in range(2))
    assert one.message_id(PERSON) == one.message_id(PERSON)
    assert one.message_id(PERSON) != other.message_id(PERSON)


@pytest.mark.parametrize(
    "service",
    [
        f"VN/GOV/G01/dancu/{PERSON}",  # the service code was left out of the path, a person's number moved up
        f"VN/GOV/G01/{PERSON}/v1",
        f"VN/GOV/G01/dancu/cccd={PERSON}",
        "VN/GOV/G01/dancu/012345678",
    ],
)
def test_a_persons_number_in_the_place_of_a_code_is_hashed(service: str) -> None:
    line = json.dumps(written(replace(SUMMARY, service=service, outcome="unknown_service")))
    assert PERSON not in line
    assert "012345678" not in line
    assert "VN/GOV/G01" in line


def test_separators_in_values_cannot_forge_a_line() -> None:
    forged = 'VN/GOV/G01","event":"forged\n{"event":"forged"}'
    line = written(
        replace(SUMMARY, client=forged, service=forged, message_id=forged, request_id=forged, outcome=forged)
    )
    assert (line["event"], line["level"], line["client"]) == ("exchange", "warning", forged)
