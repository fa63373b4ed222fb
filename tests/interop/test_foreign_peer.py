"""One of our servers in an instance that is not ours: as consumer, then as provider, of a stand-in for a real X-Road 7.8 server.

The stand-in (`foreign/`) shares no code with us. Three worlds differ in what an installation may choose: kinds of keys, certificate
profile, intermediate CA, files that hold the keys, version and source of the global configuration.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
import itertools
import json
import os
import re
import shutil
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from gateway.app.demo import Child, supervise
from gateway.storage.embedded import attach_or_start
from tests.interop.foreign import message as m
from tests.interop.foreign.central import Central, Member, World, register
from tests.interop.foreign.peer import Consumer, Identity, Provider, look_up
from tests.interop.foreign.pki import (
    KeyKind,
    Pair,
    Statuses,
    auth_subject,
    authentication,
    authority,
    ejbca_sign,
    fivrk_sign,
    is_good,
    responder,
    signing,
)
from tests.support.service import Service, serving

pytestmark = [pytest.mark.slow, pytest.mark.interop]

FOLDER = Path(__file__).with_name("foreign")
_NETWORKS = itertools.count(os.getpid() % 90)
PORT, OCSP_PORT, CLIENT_PORT, ADMIN_PORT = 15500, 15577, 18080, 19100  # none of them X-Road's own
PIN = "không dễ đoán"
CLIENT, SERVICE = "DEV/COM/4321/TestClient", "DEV/COM/5555/Registry"  # two members of our server
THEIR_CLIENT, THEIR_SERVICE = "DEV/COM/1234/TestClient2", "DEV/COM/1234/TestService"


def test_the_stand_in_shares_nothing_with_us() -> None:
    imported = {
        name
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert {n.partition(".")[0] for n in imported} & {"gateway", "adapters", "certs"} == set()
    assert [n for n in imported if n.startswith("tests.") and not n.startswith("tests.interop.foreign")] == []


@dataclass(frozen=True)
class Kind:
    """What the administrators of a world chose. `source`: what our server's settings name; `their`: keys of the other side."""

    name: str
    ours: KeyKind
    theirs: KeyKind
    profile: str
    intermediate: bool
    versions: tuple[int, ...]
    source: str
    files: str
    algorithm: str = "default"
    shows_intermediate: bool = False


KINDS = (
    Kind("rsa-fivrk", "rsa", "rsa", "FiVRK", True, (2,), "anchor file", "p12"),
    Kind("ec-ejbca", "ec", "ec", "Ejbca", False, (2, 3, 4, 5, 6), "anchor url", "pem"),
    Kind("mixed-directory", "rsa", "ec", "FiVRK", True, (4,), "directory", "p12", "pss", True),
)


@dataclass
class Place:
    """A started world."""

    kind: Kind
    host: str
    central: Central
    provider: Provider
    consumer: Consumer
    service: Service
    ours: Identity
    guest: Identity
    stranger: Pair
    root: Statuses
    folder: Path

    async def call(self, case: str, method: str = "GET", **more: Any) -> tuple[int, dict[str, str], bytes]:
        """An information system of ours calls the stand-in's service."""
        headers = {"X-Road-Client": CLIENT, "X-Road-Id": f"call-{case}", **more.pop("headers", {})}
        url = f"http://{self.host}1:{CLIENT_PORT}/r1/{more.pop('service', THEIR_SERVICE)}/echo/{case}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, headers=headers, **more) as answer,
        ):
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read()

    async def problems(self) -> list[str]:
        """What health says, but for the short lives of the certificates here, and that there is no public log."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{self.host}1:{ADMIN_PORT}/health") as answer,
        ):
            found = [p["what"] for p in (await answer.json())["problems"]]
        return [what for what in found if "expires in" not in what and "transparency: off" not in what]

    def judge(self, answer: Any, request: m.Parts) -> tuple[str, dict[str, str], bytes | None]:
        """What a real consumer demands of our answer: (status, headers of the part, body)."""
        assert answer.status == 200
        assert ("x-hash-algorithm", "SHA-512") in answer.head, answer.head
        by_type = dict(answer.parts)
        judged = m.judge_signature(answer.parts, m.RESPONSE)
        assert judged.certificate == self.guest.sign.certificate
        assert len(judged.ocsp) == 1
        assert is_good(judged.ocsp[0], judged.certificate, self.guest.sign_status)
        status, _, headers = m.lines(by_type[m.RESPONSE])
        sent, said = dict(m.lines(dict(request)[m.REQUEST])[2]), dict(headers)
        assert [n for n, _ in headers][-5:] == [
            f"x-road-{n}" for n in ("id", "client", "service", "request-id", "request-hash")
        ]
        assert said["x-road-id"] == sent["X-Road-Id"]
        assert said["x-road-client"] == sent["X-Road-Client"]
        assert said["x-road-service"] == f"{SERVICE}/echo"
        assert said["x-road-request-id"] == sent["x-road-request-id"]
        assert said["x-road-request-hash"] == m.request_hash(request)
        return status, said, by_type.get(m.BODY)

    def request(self, verb: str = "GET", path: str = "/v1/x?q=1", body: bytes | None = None, **more: Any) -> m.Parts:
        return self.consumer.request(verb, f"/r1/{SERVICE}/echo{path}", THEIR_CLIENT, body, **more)


@pytest_asyncio.fixture(scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """Where the PostgreSQL of all worlds is; each has a database of its own."""
    folder = tmp_path_factory.mktemp("pg")
    fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    postgres = await attach_or_start(folder, settings=fast)
    yield folder
    await postgres.stop()


@pytest_asyncio.fixture(scope="module", params=KINDS, ids=lambda k: k.name)
async def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, database: Path
) -> AsyncIterator[Place]:
    kind: Kind = request.param
    folder = tmp_path_factory.mktemp("foreign")
    host = f"127.{140 + next(_NETWORKS)}.7."
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving())
        place = build(kind, folder, host, service)
        stack.callback(place.central.close)
        threading.Thread(target=place.central.serve, daemon=True).start()
        place.provider.start()
        stack.callback(place.provider.stop)
        write_settings(place, folder, database)
        arguments = ("gateway", "server", "--config", str(folder / "server.yaml"), "--supervised")
        await stack.enter_async_context(supervise([[Child("SS1", arguments, folder / "server.log")]]))
        yield place


def build(kind: Kind, folder: Path, host: str, service: Service) -> Place:
    top = authority("Test CA", kind.theirs)
    root = Statuses(top, responder(top, kind.theirs))
    statuses = [root]
    if kind.intermediate:
        below = authority("Test Sub CA", "rsa", top)
        statuses.append(Statuses(below, responder(below, "ec", "Test Sub OCSP")))
    last = statuses[-1]
    subject = fivrk_sign if kind.profile == "FiVRK" else ejbca_sign

    def identity(code: str, server: str, keys: KeyKind, auth: Pair | None = None) -> Identity:
        sign = signing(subject("DEV", "COM", code, server), keys, last.ca)
        auth = auth or authentication(auth_subject("DEV", server), keys, last.ca)
        register(sign, auth)
        encapsulated = ((last.ca, root),) if kind.intermediate else ()
        return Identity(f"DEV/COM/{code}", sign, auth, last, last, encapsulated=encapsulated)

    theirs, ours = identity("1234", "SS0", kind.theirs), identity("4321", "SS1", kind.ours)
    if kind.shows_intermediate:
        theirs = replace(theirs, above=((last.ca, root),))
    guest = identity("5555", "SS1", kind.ours, ours.auth)
    members = (
        Member("1234", ("TestService", "TestClient2"), "SS0", f"{host}2", theirs.auth),
        Member("4321", ("TestClient",), "SS1", f"{host}1", ours.auth, ("5555",)),
    )
    tsa = signing(auth_subject("DEV", "TSA"), "ec", top)
    world = World(members, tuple(statuses), kind.profile, tsa, {"5555": ("Registry",)})
    publisher, stranger = authority("N/A", kind.theirs), authority("N/B", kind.theirs)
    central = Central(f"{host}3", world, publisher, stranger, kind.versions)
    provider = Provider(f"{host}2", PORT, OCSP_PORT, theirs, ours, folder)
    consumer = Consumer((f"{host}1", PORT), theirs, folder)
    return Place(kind, host, central, provider, consumer, service, ours, guest, stranger, root, folder)


def write_settings(place: Place, folder: Path, database: Path) -> None:
    kind, host = place.kind, place.host
    (folder / "pin").write_text(PIN)
    match kind.source:
        case "directory":
            place.central.save(folder / "globalconf", kind.versions[0])
            source = {"directory": str(folder / "globalconf")}
        case "anchor file":
            (folder / "anchor.xml").write_bytes(place.central.anchor("/internalconf"))
            source = {"anchor": f"file:{folder / 'anchor.xml'}"}
        case _:  # the first source is dead, the second stale, the third an impostor's
            anchor = place.central.anchor(
                "/expired/internalconf", "/forged/internalconf", "/internalconf", dead=f"http://{host}9:1/internalconf"
            )
            (folder / "anchor.xml").write_bytes(anchor)
            source = {
                "anchor": f"file:{folder / 'anchor.xml'}",
                "anchor_sha256": hashlib.sha256(anchor).hexdigest(),
            }

    def key(name: str, pair: Pair) -> dict[str, str]:
        path = folder / name
        if kind.files == "p12":
            path.with_suffix(".p12").write_bytes(pair.p12(PIN))
            return {"token": f"file:{path}.p12", "pin": f"file:{folder / 'pin'}"}
        path.with_suffix(".key").write_bytes(pair.key_pem(PIN))
        path.with_suffix(".pem").write_bytes(pair.pem)
        return {"key": f"file:{path}.key", "certificate": f"{path}.pem", "pin": f"file:{folder / 'pin'}"}

    sign = [
        {**key(n, p), "algorithm": kind.algorithm} for n, p in (("own", place.ours.sign), ("guest", place.guest.sign))
    ]
    settings = {
        "server": "DEV/COM/4321/SS1",
        "global_configuration": {**source, "refresh": "1s"},
        "database": {"embedded": str(database), "name": kind.name.replace("-", "_")},
        "keys": {"signing": sign, "authentication": key("auth", place.ours.auth)},
        "state": str(folder / "state"),
        "listen": {
            "clients_http": f"{host}1:{CLIENT_PORT}",
            "servers": f"{host}1:{PORT}",
            "ocsp": f"{host}1:{OCSP_PORT}",
            "admin": f"{host}1:{ADMIN_PORT}",
        },
        "transparency": "off",
        "peers": {"port": PORT, "ocsp_port": OCSP_PORT, "tls": "interop"},
        "clients": [
            {"id": "COM/4321/TestClient", "information_systems": {"authentication": "http"}},
            {
                "id": "COM/5555/Registry",
                "information_systems": {"authentication": "http"},
                "services": [
                    {"code": "echo", "url": place.service.url, "rights": [{"to": THEIR_CLIENT}, {"to": CLIENT}]},
                    {"code": "closed", "url": place.service.url},
                ],
            },
        ],
    }
    (folder / "server.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))


@pytest.fixture(autouse=True)
def no_complaints(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever else a test looks at: the stand-in had nothing to say against the requests it was sent."""
    yield
    if "place" in request.fixturenames:
        provider: Provider = request.getfixturevalue("place").provider
        complaints, provider.complaints = provider.complaints, []
        assert complaints == []


# --- we in place of the consumer -----------------------------------------------------------------------------------------

GOOD = {
    # case: method, body, status, what the answer is
    "plain": ("GET", None, 200, b'"verb": "GET"'),
    "json": ("POST", b'{"a":1}', 200, b'"body": 7'),
    "patch": ("PATCH", "Nguyễn".encode(), 200, b'"body": 8'),
    "large": ("POST", b"0123456789abcdef" * 20000, 200, b'"body": 320000'),
    "delete": ("DELETE", None, 200, b'"verb": "DELETE"'),
    "head": ("HEAD", None, 200, b""),
    "none": ("GET", None, 204, b""),
    "empty": ("GET", None, 200, b""),
    "missing": ("GET", None, 404, b"not here"),
    "batch3": ("POST", b"one of three", 200, b'"body": 12'),
    "batch5": ("GET", None, 200, b'"verb": "GET"'),
    "pss": ("GET", None, 200, b'"verb": "GET"'),  # where the key is RSA
    "direct": ("GET", None, 200, b'"verb": "GET"'),
    "titlecase": ("GET", None, 200, b'"verb": "GET"'),
    "pooled": ("GET", None, 200, b'"verb": "GET"'),
}


@pytest.mark.parametrize("case", GOOD)
async def test_as_consumer(place: Place, case: str) -> None:
    method, body, status, content = GOOD[case]
    got, headers, answer = await place.call(case, method, data=body, headers={"Content-Type": "text/plain"})
    assert (got, headers.get("x-road-error")) == (status, None), answer
    assert content in answer
    assert headers["x-road-service"] == f"{THEIR_SERVICE}/echo"
    assert headers["x-road-id"] == f"call-{case}"
    seen = place.provider.seen[-1]
    assert (seen.body or b"") == (body or b"")
    assert seen.certificates == 1


BAD = {
    "fault": "server.serverproxy.access_denied",
    "fault500": "server.serverproxy.access_denied",
    "late": "server.serverproxy.io_error",
    "cut": "server.clientproxy.service_failed.mime_parsing_failed",
    "uncovered": "server.clientproxy.signature_verification.malformed_signature",
    "wronghash": "server.clientproxy.inconsistent_response",
    "stranger": "server.clientproxy.signature_verification.incorrect_certificate",
}


@pytest.mark.parametrize("case", BAD)
async def test_as_consumer_refusing(place: Place, case: str) -> None:
    status, headers, body = await place.call(case)
    assert (status, headers["x-road-error"]) == (500, BAD[case])
    assert json.loads(body)["type"] == BAD[case]


async def test_the_answer_about_their_certificate_is_asked_for_once(place: Place) -> None:
    """By SHA-1, and by SHA-256 beside it (reference 3.4)."""
    await place.call("plain")
    chain = [p.der for p in place.provider.own.chain]
    asked = [f"cert={hashlib.sha1(der).hexdigest()}" for der in chain]
    asked += [f"cert_hash={hashlib.sha256(der).hexdigest()}" for der in chain]
    assert place.provider.lookups == [f"/?{'&'.join(asked)}"]


async def test_an_information_system_that_waits_to_be_told_to_continue(place: Place) -> None:
    status, _, answer = await place.call("plain", "POST", data=b"x" * 100, expect100=True)
    assert (status, json.loads(answer)["body"]) == (200, 100)
    assert "expect" not in {name.lower() for name, _ in place.provider.seen[-1].headers}


async def test_many_at_once(place: Place) -> None:
    answers = await asyncio.gather(*(place.call("batch3", "POST", data=b"x") for _ in range(20)))
    assert {status for status, _, _ in answers} == {200}


# --- we in place of the provider -----------------------------------------------------------------------------------------


async def send(place: Place, parts: m.Parts, **more: Any) -> Any:
    return await asyncio.to_thread(place.consumer.send, parts, **more)


def signed_variants(kind: Kind) -> list[dict[str, Any]]:
    ways: list[dict[str, Any]] = [{}, {"wrap": False}, {"how": m.How(batch=2)}, {"how": m.How(batch=3)}]
    ways += [{"how": m.How(batch=5)}, {"how": m.How(direct=True)}]
    return ways + ([{"pss": True}] if kind.theirs == "rsa" else [])


async def test_as_provider(place: Place) -> None:
    for way, body in itertools.product(signed_variants(place.kind), (None, b'{"a":1}', b"")):
        request = place.request("GET" if body is None else "POST", body=body, **way)
        if body is None and way.get("how") == m.How(direct=True):
            continue
        answer = await send(place, request)
        status, _, content = place.judge(answer, request)
        assert status == "200"
        assert json.loads(content or b"")["length"] == len(body or b"")
        kinds = [t for t, _ in answer.parts]
        assert kinds == [m.RESPONSE, m.BODY, m.RESULT, m.CHAIN, m.SIGNATURE]  # no OCSP parts in answers


@pytest.mark.parametrize(("path", "status", "body"), [("/empty", "204", None), ("/missing", "404", b"not found")])
async def test_as_provider_of_other_answers(place: Place, path: str, status: str, body: bytes | None) -> None:
    request = place.request(path=path)
    got, _, content = place.judge(await send(place, request), request)
    assert got == status
    assert (content is None) if body is None else (body in (content or b""))


async def test_tls_as_provider(place: Place) -> None:
    """X-Road's suites; the leaf alone, since a listed CA issued it; a resumed session still has the peer's certificate."""
    request = place.request()
    first = await send(place, request)
    assert first.cipher == f"ECDHE-{'ECDSA' if place.kind.ours == 'ec' else 'RSA'}-AES256-SHA384"
    assert first.shown == (place.ours.auth.der,)
    again = place.request()
    second = await send(place, again, session=first.session)
    assert second.resumed
    place.judge(second, again)


async def test_a_certificate_that_no_listed_authority_issued(place: Place) -> None:
    outsider = authentication(auth_subject("DEV", "SS0"), "ec", place.stranger)
    for context in (place.consumer.tls(outsider), place.consumer.tls()):
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            await send(place, place.request(), context=context)


async def test_ocsp_lookup(place: Place) -> None:
    der = place.ours.auth.der
    sha1, sha256 = hashlib.sha1(der).hexdigest(), hashlib.sha256(der).hexdigest()
    at = f"{place.host}1", OCSP_PORT
    for query in (f"cert={sha1}&cert_hash={sha256}", f"cert={sha1}"):
        status, kind, body = await asyncio.to_thread(look_up, *at, query)
        found = re.fullmatch(
            r'multipart/related; type="application/ocsp-response"; charset=UTF-8; boundary=(\S+)', kind
        )
        assert status == 200
        assert found
        head, _, answer = body.removeprefix(f"--{found[1]}\r\n".encode()).partition(b"\r\n\r\n")
        assert head.lower() == b"content-type: application/ocsp-response"
        response = answer.removesuffix(f"\r\n--{found[1]}--\r\n".encode())
        assert is_good(response, place.ours.auth.certificate, place.ours.auth_status)
    for query in (
        f"cert={sha1.upper()}",
        f"cert_hash={sha256}",
        f"cert={'0' * 40}",
        "",
        f"cert={sha1}&cert={'0' * 40}",
    ):
        assert (await asyncio.to_thread(look_up, *at, query))[0] == 500
    assert (await asyncio.to_thread(look_up, *at, f"cert={sha1}", "POST"))[0] == 500
    assert (await asyncio.to_thread(look_up, *at, "", "HEAD"))[0] == 200


def without(parts: m.Parts, *kinds: str) -> m.Parts:
    return [p for p in parts if p[0] not in kinds]


def changed(parts: m.Parts, kind: str, old: bytes, new: bytes) -> m.Parts:
    assert old in dict(parts)[kind]
    return [(t, d.replace(old, new, 1) if t == kind else d) for t, d in parts]


async def test_as_provider_refusing(place: Place) -> None:
    """Every refusal is a fault as X-Road writes it: HTTP 200, `text/xml`, no part of an answer."""
    ours = "server.serverproxy"
    failed, signature = f"{ours}.service_failed", f"{ours}.signature_verification"
    post = place.request("POST", body=b'{"a":1}')
    get = place.request()
    elsewhere = replace(place.consumer, own=replace(place.consumer.own, sign=place.ours.sign))
    by_another = elsewhere.request("GET", f"/r1/{SERVICE}/echo", THEIR_CLIENT)
    auth_signs = replace(place.consumer, own=replace(place.consumer.own, sign=place.consumer.own.auth))
    by_auth_key = auth_signs.request("GET", f"/r1/{SERVICE}/echo", THEIR_CLIENT)
    request = place.consumer.request
    cases: list[tuple[m.Parts, str]] = [
        (without(get, m.OCSP), f"{failed}.ssl_authentication_failed"),
        (without(get, m.SIGNATURE), f"{failed}.missing_signature"),
        (changed(post, m.BODY, b"1", b"2"), f"{signature}.malformed_signature.invalid_hash_chain"),
        (without(post, m.BODY), f"{signature}.malformed_signature.invalid_reference"),
        (changed(get, m.REQUEST, b"q=1", b"q=2"), f"{signature}.invalid_signature_value"),
        (place.request("POST", body=b"x", how=m.How(uncovered=True)), f"{signature}.malformed_signature"),
        (by_another, f"{signature}.incorrect_certificate"),
        (by_auth_key, f"{signature}.malformed_signature"),
        (request("GET", f"/r1/{SERVICE}/closed", THEIR_CLIENT), f"{ours}.access_denied"),
        (request("GET", f"/r1/{SERVICE}/nothing", THEIR_CLIENT), f"{ours}.unknown_service"),
        (request("GET", "/r1/DEV/COM/4321/Nobody/echo", THEIR_CLIENT), f"{failed}.unknown_member"),
        (request("GET", f"/r1/{SERVICE}/echo", CLIENT), f"{failed}.ssl_authentication_failed"),
        (request("GET", f"/r1/{SERVICE}/echo/a%20b", THEIR_CLIENT), ""),
    ]
    for parts, code in cases:
        answer = await send(place, parts)
        if code:
            assert answer.fault == code
        if not answer.parts:
            assert answer.status == 200
            assert ("Content-Type", "text/xml;charset=utf-8") in answer.head
            assert ("SOAPAction", "") in answer.head


async def test_a_replayed_request_is_served_once(place: Place) -> None:
    request = place.request()
    place.judge(await send(place, request), request)
    calls = len(place.service.calls)
    assert (await send(place, request)).parts == []
    assert len(place.service.calls) == calls


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"x-hash-algorithm": None}, "server.serverproxy.internal_error"),
        ({"x-hash-algorithm": "http://www.w3.org/2001/04/xmlenc#sha512"}, "server.serverproxy.internal_error"),
        ({"x-hash-algorithm": "sha-512"}, ""),
        ({"x-road-request-id": "9a1c0000-0000-0000-0000-000000000000"}, "server.serverproxy.invalid_request"),
        ({"Content-Type": "application/json"}, "server.serverproxy.service_failed.invalid_content_type"),
        ({"x-proxy-version": None}, ""),
        ({"X-Unknown": "ignored"}, ""),
    ],
)
async def test_http_headers_of_a_request(place: Place, change: dict[str, str | None], code: str) -> None:
    request = place.request()

    def edit(headers: dict[str, str]) -> dict[str, str]:
        return {n: v for n, v in {**headers, **change}.items() if v is not None}

    answer = await send(place, request, headers=edit)
    assert answer.fault == code
    if not code:
        place.judge(answer, request)


async def test_a_soap_call_gets_a_fault(place: Place) -> None:
    """SOAP has no `x-road-message-type`; and at the client-facing port it comes to any path but /r1/."""
    soap = [(m.OCSP, b"x"), ("text/xml; charset=UTF-8", b"<soap/>"), (m.SIGNATURE, b"<x/>")]

    def edit(headers: dict[str, str]) -> dict[str, str]:
        return {**{n: v for n, v in headers.items() if n != "x-road-message-type"}, "x-original-soapaction": ""}

    answer = await send(place, soap, headers=edit)
    assert (answer.status, answer.fault) == (200, "server.serverproxy.invalid_message")
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{place.host}1:{CLIENT_PORT}/", data=b"<x/>", headers={"Content-Type": "text/xml"}) as r,
    ):
        assert (r.status, r.content_type) == (200, "text/xml")
        assert b"<faultcode>client.invalid_message</faultcode>" in await r.read()


async def test_metaservices_are_answered_to_a_foreign_consumer(place: Place) -> None:
    request = place.consumer.request("GET", f"/r1/{SERVICE}/listMethods", THEIR_CLIENT)
    answer = await send(place, request)
    judged = m.judge_signature(answer.parts, m.RESPONSE)
    assert judged.certificate == place.guest.sign.certificate
    services = json.loads(dict(answer.parts)[m.BODY])["service"]
    assert [s["service_code"] for s in services] == ["echo", "closed"]


async def test_a_service_of_our_own_server_is_called_over_the_wire(place: Place) -> None:
    """There is no short way (reference 3.2): the server shakes hands with itself."""
    status, headers, body = await place.call("v1", "POST", data=b"abc", service=SERVICE)
    assert (status, headers.get("x-road-error")) == (200, None), body
    assert json.loads(body)["length"] == 3


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_suites_as_openssl_sees_them(place: Place) -> None:
    chain = place.folder / f"{place.consumer.own.auth.certificate.serial_number}.tls.pem"
    ours = "ECDSA" if place.kind.ours == "ec" else "RSA"

    async def negotiated(*options: str) -> str:
        at = f"{place.host}1:{PORT}"
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", at, "-cert", str(chain), "-key", str(chain), *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await process.communicate()
        found = re.search(rb"New, (?:TLSv[\d.]+, )?Cipher is (\S+)|New, \(NONE\)", said)
        assert found, said
        return (found[1] or b"none").decode()

    suite = f"ECDHE-{ours}-AES256-SHA384"
    assert await negotiated("-tls1_2", "-cipher", suite) == suite
    assert await negotiated("-tls1_2", "-cipher", f"ECDHE-{ours}-AES256-GCM-SHA384") in ("none", "(NONE)")
    assert await negotiated("-tls1_1") in ("none", "(NONE)")
    assert (await negotiated("-tls1_3")).startswith("TLS_")


# --- joining -------------------------------------------------------------------------------------------------------------


async def test_the_configuration_was_probed_from_the_newest_version(place: Place) -> None:
    asked = [a for a in place.central.asked if a.startswith("/internalconf?")]
    if place.kind.source == "directory":
        assert asked == []
        return
    newest = max(place.kind.versions)
    probed = [f"/internalconf?version={v}" for v in range(6, newest - 1, -1)]
    assert asked[: len(probed)] == probed
    assert any(a.startswith(f"/V{newest}/") and a.endswith("/shared-params.xml") for a in place.central.asked)


async def test_health_has_nothing_to_say(place: Place) -> None:
    await place.call("plain")
    assert await place.problems() == []


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await condition():
            await asyncio.sleep(0.2)


async def test_a_newer_configuration_is_taken_and_an_older_one_is_not(place: Place) -> None:
    """The peer's and our own authentication certificates are withdrawn; then the configuration before is played back."""
    central = place.central
    before = central.world
    withdrawn = tuple(replace(member, auth=place.provider.own.sign) for member in before.members)

    async def publish(world: World, serial: int) -> None:
        central.world, central.serial = world, serial
        if place.kind.source == "directory":
            await asyncio.to_thread(central.save, place.folder / "globalconf", place.kind.versions[0])

    async def is_refused() -> bool:
        return (await place.call("plain"))[1].get("x-road-error") == "server.clientproxy.ssl_authentication_failed"

    async def is_served() -> bool:
        return (await place.call("plain"))[0] == 200

    await publish(replace(before, members=withdrawn), 2)
    await until(is_refused)
    (problem,) = await place.problems()
    assert problem.startswith("Our authentication certificate is not registered for DEV/COM/4321/SS1")
    if place.kind.source != "directory":  # whoever keeps the directory answers for its age
        await publish(before, 1)
        asked = len(central.asked)

        async def was_offered() -> bool:
            return sum(a.startswith("/internalconf?") for a in central.asked[asked:]) > 5

        await until(was_offered)
        assert await is_refused()
        assert any("could not be renewed" in problem for problem in await place.problems())
    await publish(before, 3)
    await until(is_served)


async def test_a_revoked_peer_is_shut_out_when_its_answers_say_so(place: Place) -> None:
    """Last: the world is not what it was. The peer's next OCSP part says revoked; its requests end there."""
    own = place.consumer.own
    own.auth_status.revoked.add(own.auth.certificate.serial_number)
    try:
        answer = await send(place, place.request())
    finally:
        own.auth_status.revoked.clear()
    assert answer.fault == "server.serverproxy.service_failed.ssl_authentication_failed"
