"""Bad calls of information systems at 8080 and 8443: the X-Road error in the caller's form, the records that are due, and a server
that goes on (reference 1.1-1.6)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest

from tests.support.http_raw import RawHttp
from tests.support.world import BODY_LIMIT, DVC, PERSON, World

DANCU = "/r1/VN/GOV/G01/dancu"
OURS, THEIRS = "server.clientproxy", "server.serverproxy"
XML = ("Accept", "text/xml")


@dataclass(frozen=True)
class Bad:
    """One call, the error it gets, and the records it leaves."""

    name: str
    code: str
    target: str = PERSON
    headers: tuple[tuple[str, str | bytes], ...] = ()
    client: tuple[str, str] | None = DVC
    verb: str = "GET"
    body: bytes = b""
    records: tuple[str, ...] = ()


SENT = ("client request",)
GRANTED = ("client request", "server request granted")


def refused(code: str) -> tuple[str, str]:
    return ("client request", f"server request refused:{code}")


def client(value: str) -> tuple[str, str]:
    return ("X-Road-Client", value)


BAD = [
    # who calls
    Bad("client missing", f"{OURS}.invalid_client_identifier", client=None),
    Bad("client empty", f"{OURS}.invalid_client_identifier", client=client("")),
    Bad("client of two pieces", f"{OURS}.invalid_client_identifier", client=client("VN/GOV")),
    Bad("client of five pieces", f"{OURS}.invalid_client_identifier", client=client("VN/GOV/G22/dvc/x")),
    Bad("client with broken escape", f"{OURS}.invalid_client_identifier", client=client("VN/GOV/G22/%zz")),
    Bad("client not UTF-8", f"{OURS}.invalid_client_identifier", client=client("VN/GOV/G22/%ff")),
    Bad("client unknown", f"{OURS}.unknown_member", client=client("VN/GOV/G22/nobody")),
    Bad("client of another server", f"{OURS}.unknown_member", client=client("VN/GOV/G01/dancu")),
    Bad("client in other letter case", f"{OURS}.unknown_member", client=client("VN/GOV/G22/DVC")),
    Bad("two clients, the last one counts", f"{OURS}.unknown_member", headers=(client("VN/GOV/G22/nobody"),)),
    # whom
    Bad("member unknown", f"{OURS}.unknown_member", "/r1/VN/GOV/G99/dancu/person"),
    Bad("subsystem unknown", f"{OURS}.unknown_member", "/r1/VN/GOV/G01/nothing/person"),
    Bad("instance unknown", f"{OURS}.internal_error", "/r1/XX/GOV/G01/dancu/person"),
    Bad(
        "service unknown",
        f"{THEIRS}.unknown_service",
        DANCU + "/nothing",
        records=refused("unknown_service"),
    ),
    Bad("server unknown", f"{OURS}.invalid_security_server", headers=(("X-Road-Security-Server", "VN/GOV/G01/ss9"),)),
    Bad("server of others", f"{OURS}.invalid_security_server", headers=(("X-Road-Security-Server", "VN/GOV/G22/ss1"),)),
    Bad(
        "server of three pieces", f"{OURS}.invalid_security_server", headers=(("X-Road-Security-Server", "VN/GOV/G01"),)
    ),
    Bad("provider down", f"{OURS}.network_error", "/r1/VN/GOV/G13/lost/x", records=SENT),
    # may they
    Bad("no right", f"{THEIRS}.access_denied", DANCU + "/closed", records=refused("access_denied")),
    Bad(
        "no right to this path",
        f"{THEIRS}.access_denied",
        DANCU + "/limited/private/1",
        records=refused("access_denied"),
    ),
    Bad(
        "no right to this method",
        f"{THEIRS}.access_denied",
        DANCU + "/limited/public/1",
        verb="POST",
        records=refused("access_denied"),
    ),
    Bad(
        "service disabled",
        f"{THEIRS}.service_disabled",
        DANCU + "/off",
        records=refused("service_disabled"),
    ),
    # paths that mean two things
    Bad(
        "path climbs",
        f"{THEIRS}.access_denied",
        DANCU + "/limited/public/../private",
        records=refused("access_denied"),
    ),
    Bad(
        "path with dot",
        f"{THEIRS}.access_denied",
        DANCU + "/limited/public/./x",
        records=refused("access_denied"),
    ),
    Bad(
        "path with escaped slash",
        f"{THEIRS}.access_denied",
        DANCU + "/limited/public/..%2Fprivate",
        records=refused("access_denied"),
    ),
    Bad("path climbs in escapes", f"{OURS}.bad_request", DANCU + "/limited/public/%2e%2e/private"),
    Bad("path climbs in double escapes", f"{OURS}.bad_request", DANCU + "/limited/public/%252e%252e/private"),
    Bad("path climbs with parameter", f"{OURS}.bad_request", DANCU + "/limited/public/..;/private"),
    Bad("path with empty segment", f"{OURS}.bad_request", DANCU + "/limited//public/x"),
    Bad("path with backslash escape", f"{OURS}.bad_request", DANCU + "/limited/public/..%5cprivate"),
    Bad(
        "dots for a service",
        f"{THEIRS}.unknown_service",
        DANCU + "/../../closed",
        records=refused("unknown_service"),
    ),
    # not a call
    Bad("no service in the path", f"{OURS}.bad_request", "/r1/VN/GOV/G01/dancu"),
    Bad("nothing in the path", f"{OURS}.bad_request", "/r1/"),
    Bad("escape of NUL", f"{OURS}.bad_request", f"{PERSON}/%00"),
    Bad("escape of CR LF", f"{OURS}.bad_request", f"{PERSON}/%0d%0aX-Road-Client:%20x"),
    Bad("escape of a blank", f"{OURS}.bad_request", f"{PERSON}/a%20b"),
    Bad("escape not UTF-8", f"{OURS}.bad_request", f"{PERSON}/%ff%fe"),
    Bad("broken escape", f"{OURS}.bad_request", f"{PERSON}/%2"),
    Bad("illegal characters in the path", f"{OURS}.bad_request", PERSON + "/a|b"),
    Bad("braces in the query", f"{OURS}.bad_request", PERSON + '?q={"a":1}'),
    Bad("URL of 9 kB", f"{OURS}.bad_request", PERSON + "?" + "q" * 9000),
    Bad("header of 9 kB", f"{OURS}.bad_request", headers=(("X-Long", "v" * 9000),)),
    Bad("headers of 9 kB together", f"{OURS}.bad_request", headers=tuple((f"X-{n}", "v" * 90) for n in range(90))),
    Bad("message id of 256 characters", f"{OURS}.bad_request", headers=(("X-Road-Id", "i" * 256),)),
    Bad("empty message id", f"{OURS}.bad_request", headers=(("X-Road-Id", ""),)),
    Bad("represented party of three pieces", f"{OURS}.bad_request", headers=(("X-Road-Represented-Party", "a/b/c"),)),
    Bad("unknown method", f"{OURS}.bad_request", verb="PROPFIND"),
    Bad("body over the limit", f"{OURS}.invalid_body", verb="POST", body=b"b" * (BODY_LIMIT + 1)),
    # the service behind it
    Bad("service down", f"{THEIRS}.network_error", DANCU + "/down", records=GRANTED),
    Bad("service nowhere", f"{THEIRS}.unknown_host", DANCU + "/nowhere", records=GRANTED),
    Bad("service without TLS", f"{THEIRS}.ssl_authentication_failed", DANCU + "/notls", records=GRANTED),
]


def check_json(got: RawHttp, code: str) -> None:
    assert got.headers["content-type"] == "application/json"
    said = json.loads(got.body)
    assert set(said) == {"type", "message", "detail"}
    assert said["type"] == code
    assert re.fullmatch(r"[0-9a-f-]{36}", said["detail"])


def check_xml(got: RawHttp, code: str, content_type: str = "text/xml") -> None:
    assert got.headers["content-type"] == f"{content_type};charset=utf-8"
    assert re.fullmatch(
        rb'<\?xml version="1.0" encoding="UTF-8" standalone="no"\?><error><type>%b</type><message>[^<>]+</message>'
        rb"<detail>[0-9a-f-]{36}</detail></error>" % re.escape(code).encode(),
        got.body,
    )


@pytest.mark.parametrize("row", BAD, ids=lambda row: row.name)
async def test_bad_call(world: World, row: Bad) -> None:
    async with world.expect(*row.records):
        got = await world.call(row.target, *row.headers, verb=row.verb, body=row.body, client=row.client)
        assert got.headers["x-road-error"] == row.code
        assert got.start_line.startswith("HTTP/1.1 500 ")
        check_json(got, row.code)
        assert not world.service.calls


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/xml", "text/xml"),
        ("application/xml", "application/xml"),
        ("text/*", "text/xml"),
        ("application/json, APPLICATION/XML;q=0.1", "application/xml"),
        ("image/png, text/xml", "text/xml"),
    ],
)
async def test_error_in_xml(world: World, accept: str, content_type: str) -> None:
    async with world.expect():
        got = await world.call(PERSON, ("Accept", accept), client=client("VN/GOV/G22/nobody"))
        check_xml(got, f"{OURS}.unknown_member", content_type)


async def test_error_in_xml_by_the_second_accept_header(world: World) -> None:
    async with world.expect():
        got = await world.call(PERSON, ("Accept", "image/png"), XML, client=client("VN/GOV/G22/nobody"))
        check_xml(got, f"{OURS}.unknown_member")
