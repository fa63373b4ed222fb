"""Fresh answers about our own certificates from responders that may be down, slow, wrong or hostile."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from gateway.core.errors import CertificateStatusUnknown, TrustOutdated
from gateway.core.signing.certificates import sha256_hex
from gateway.core.signing.trust import InstanceTrust
from gateway.signer.ocsp_client import OcspClient, fetch_from_server
from gateway.trust.authority import Authority, create_root, named, new_key
from gateway.trust.responder import OcspResponder
from tests.unit.trust.pki import NOW, Pki, ocsp_request, sign_subject

Answer = Callable[[bytes], bytes | int]


class World:
    """A CA, a clock, a responder that can be told what to do, one certificate."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pki = Pki(directory)
        self.now = NOW
        self.certificate = self.pki.sign().certificate
        self.asked: list[bytes] = []
        self.answer: Answer = self.honest
        self.was_asked = asyncio.Event()
        self.trusted = True

    def honest(self, request: bytes) -> bytes:
        return self.pki.responder.answer(request, self.now)

    def clock(self) -> datetime:
        return self.now

    def own_trust(self, now: datetime) -> InstanceTrust:
        if not self.trusted:
            raise TrustOutdated("No global configuration")
        return self.pki.trust

    def client(self, *certificates: x509.Certificate) -> OcspClient:
        return OcspClient(certificates or (self.certificate,), self.own_trust, self.clock, self.directory / "ocsp")

    async def handle(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/ocsp-request"
        body = await request.read()
        self.asked.append(body)
        self.was_asked.set()
        answer = self.answer(body)
        return web.Response(status=answer) if isinstance(answer, int) else web.Response(body=answer)

    @property
    def kept(self) -> Path:
        return self.directory / "ocsp" / f"{sha256_hex(self.certificate)}.ocsp"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path)
    async with listening(world.handle) as server:
        world.pki.urls = (str(server.make_url("/ocsp")),)
        yield world


@asynccontextmanager
async def listening(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    server = TestServer(app)
    async with server:
        yield server


async def test_fetches_verifies_and_keeps(world: World) -> None:
    client = world.client()
    assert client.get(world.certificate) is None
    assert client.age(world.certificate) is None
    await client.start()
    response = client.get(world.certificate)
    assert response is not None
    assert world.kept.read_bytes() == response
    assert client.get(world.certificate) is response
    assert client.problem(world.certificate) is None
    world.now += timedelta(seconds=90)
    assert client.age(world.certificate) == timedelta(seconds=90)


async def test_asks_with_a_sha1_cert_id(world: World) -> None:
    await world.client().start()
    asked = ocsp.load_der_ocsp_request(world.asked[0])
    assert asked.hash_algorithm.name == "sha1"
    assert asked.serial_number == world.certificate.serial_number


async def test_a_restart_uses_what_is_on_disk_while_the_responder_is_down(world: World) -> None:
    await world.client().start()
    world.answer = lambda request: 503
    again = world.client()
    await again.start()
    assert again.get(world.certificate) == world.kept.read_bytes()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x30\x03\x0a\x01\x01"])
async def test_a_damaged_file_is_not_used(world: World, content: bytes) -> None:
    await world.client().start()
    world.kept.write_bytes(content)
    world.answer = lambda request: 503
    again = world.client()
    await again.start()
    assert again.get(world.certificate) is None
    world.answer = world.honest
    await again.refresh(all_of_them=True)
    assert again.get(world.certificate) == world.kept.read_bytes()


async def test_is_not_asked_again_before_a_third_has_passed(world: World) -> None:
    client = world.client()  # nextUpdate in 30 minutes: again after 10
    await client.start()
    first = client.get(world.certificate)
    world.now += timedelta(minutes=9)
    await client.refresh()
    assert len(world.asked) == 1
    world.now += timedelta(minutes=1)
    await client.refresh()
    assert len(world.asked) == 2
    assert client.get(world.certificate) != first


async def test_the_interval_limits_it_too(world: World) -> None:
    client = OcspClient(
        (world.certificate,), world.own_trust, world.clock, world.directory, interval=lambda: timedelta(minutes=2)
    )
    await client.start()
    world.now += timedelta(minutes=2)
    await client.refresh()
    assert len(world.asked) == 2


async def test_a_silent_responder_leaves_the_last_answer_until_it_is_stale(world: World) -> None:
    client = world.client()
    await client.start()
    world.answer = lambda request: 500
    world.now += timedelta(minutes=29)
    await client.refresh()
    assert client.get(world.certificate) is not None
    assert client.problem(world.certificate) == "The OCSP responder answered with HTTP status 500"
    world.now += timedelta(minutes=2)
    assert client.get(world.certificate) is None


async def test_backs_off_and_recovers(world: World) -> None:
    world.answer = lambda request: 500
    client = world.client()
    await client.start()
    gaps = []
    for _ in range(9):
        before = len(world.asked)
        gap = 0
        while len(world.asked) == before:
            world.now += timedelta(seconds=1)
            gap += 1
            await client.refresh()
        gaps.append(gap)
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    world.answer = world.honest
    world.now += timedelta(seconds=60)
    await client.refresh()
    assert client.get(world.certificate) is not None
    assert client.problem(world.certificate) is None


async def test_revocation_is_taken_at_once(world: World) -> None:
    client = world.client()
    await client.start()
    world.pki.index.revoke(world.certificate, world.now, x509.ReasonFlags.key_compromise)
    await client.refresh(all_of_them=True)
    assert client.get(world.certificate) is None
    assert client.problem(world.certificate) == "OCSP says the certificate is revoked"
    assert not world.kept.exists()


async def test_a_revocation_is_seen_within_the_interval(world: World) -> None:
    interval = timedelta(minutes=2)
    client = OcspClient(
        (world.certificate,), world.own_trust, world.clock, world.directory / "ocsp", interval=lambda: interval
    )
    await client.start()
    world.pki.index.revoke(world.certificate, world.now, x509.ReasonFlags.key_compromise)
    world.now += interval - timedelta(seconds=1)
    await client.refresh()
    assert client.get(world.certificate) is not None
    world.now += timedelta(seconds=1)
    await client.refresh()
    assert client.get(world.certificate) is None


async def test_tries_each_responder(world: World) -> None:
    good = world.pki.urls[0]

    async def broken(request: web.Request) -> web.Response:
        return web.Response(body=b"nonsense")

    async with listening(broken) as server:
        world.pki.urls = ("http://127.0.0.1:1/nobody", "not a url", str(server.make_url("/")), good)
        client = world.client()
        await client.start()
    assert client.get(world.certificate) is not None


async def test_an_older_answer_does_not_replace_a_newer_one(world: World) -> None:
    client = world.client()
    await client.start()
    first = client.get(world.certificate)
    world.answer = lambda request: world.pki.responder.answer(request, NOW - timedelta(minutes=5))
    await client.refresh(all_of_them=True)
    assert client.get(world.certificate) is first
    assert world.kept.read_bytes() == first


def _other_ca(w: World) -> Answer:
    root = create_root(named("Test CA", organisation="Test"), w.pki.during)
    signer = Authority(root, lambda c: None).issue_ocsp_signer(named("x"), w.pki.during)
    forged = OcspResponder(w.pki.root.certificate, signer, w.pki.index, timedelta(minutes=30))
    return lambda request: forged.answer(request, w.now)


def _about_another(w: World) -> Answer:
    request = ocsp_request(w.pki.sign().certificate, w.pki.root.certificate)
    return lambda _: w.honest(request)


def _forged_revocation(w: World) -> Answer:
    w.pki.index.revoke(w.certificate, w.now, x509.ReasonFlags.unspecified)
    return _other_ca(w)


HOSTILE: dict[str, Callable[[World], Answer]] = {
    "garbage": lambda w: lambda request: b"\x30\x00",
    "empty": lambda w: lambda request: b"",
    "oversized": lambda w: lambda request: b"x" * (70 * 1024),
    "redirect": lambda w: lambda request: 302,
    "try later": lambda w: lambda request: b"\x30\x03\x0a\x01\x03",
    "too old": lambda w: lambda request: w.pki.responder.answer(request, w.now - timedelta(hours=2)),
    "from the future": lambda w: lambda request: w.pki.responder.answer(request, w.now + timedelta(hours=2)),
    "signed by another CA": _other_ca,
    "about another certificate": _about_another,
    "a revocation that somebody else signed": _forged_revocation,
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_answers_change_nothing(name: str, world: World) -> None:
    client = world.client()
    await client.start()
    before = client.get(world.certificate)
    world.answer = HOSTILE[name](world)
    await client.refresh(all_of_them=True)
    assert client.get(world.certificate) is before
    assert client.problem(world.certificate)


async def test_without_global_configuration_it_waits(world: World) -> None:
    world.trusted = False
    client = world.client()
    await client.start()
    assert world.asked == []
    assert client.problem(world.certificate) == "No global configuration"
    world.trusted = True
    world.now += timedelta(seconds=1)
    await client.refresh()
    assert client.get(world.certificate) is not None


async def test_a_ca_without_responder_is_said_in_words(world: World) -> None:
    world.pki.urls = ()
    client = world.client()
    await client.start()
    assert client.problem(world.certificate) == (
        "Neither the global configuration nor the certificate names an OCSP responder"
    )


async def test_the_responder_that_the_certificate_names_is_asked_when_the_configuration_names_none(
    world: World,
) -> None:
    access = [
        x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://x/ca")),
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(world.pki.urls[0])),
        x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("ldap://x")),
    ]
    world.pki.urls = ()
    key = new_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(sign_subject())
        .issuer_name(world.pki.root.certificate.subject)
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.AuthorityInformationAccess(access), critical=False)
        .sign(world.pki.root.key, hashes.SHA256())
    )
    world.pki.index.record(certificate)
    client = world.client(certificate)
    await client.start()
    assert client.get(certificate) is not None
    assert len(world.asked) == 1


async def test_certificates_are_independent(world: World) -> None:
    stranger = create_root(named("x"), world.pki.during).certificate
    client = world.client(stranger, world.certificate)
    await client.start()
    assert client.get(stranger) is None
    assert client.get(world.certificate) is not None
    assert client.get(world.pki.root.certificate) is None
    assert client.age(world.pki.root.certificate) is None
    assert client.problem(world.pki.root.certificate) is None


async def test_a_directory_that_cannot_be_written_is_a_problem_not_an_end(world: World) -> None:
    client = world.client()
    await client.start()
    world.kept.unlink()
    world.kept.mkdir()
    world.now += timedelta(seconds=1)
    await client.refresh(all_of_them=True)
    assert client.get(world.certificate) is not None
    assert "cannot be kept on disk" in (client.problem(world.certificate) or "")


async def test_run_fetches_until_cancelled(world: World) -> None:
    client = world.client()
    (world.directory / "ocsp").mkdir()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(client.run())
        async with asyncio.timeout(5):
            await world.was_asked.wait()
            while client.get(world.certificate) is None:
                await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert len(world.asked) == 1


# --- the look-up of a peer's answers (reference 3.4) ---------------------------------------------------------------


def multipart(*ders: bytes) -> web.Response:
    body = b"".join(b"--b1\r\nContent-Type: application/ocsp-response\r\n\r\n" + d + b"\r\n" for d in ders) + b"--b1--"
    return web.Response(body=body, headers={"Content-Type": "multipart/related; boundary=b1"})


async def lookup(answer: web.Response | Exception, certificates: list[bytes]) -> tuple[bytes, ...]:
    async def handle(request: web.Request) -> web.StreamResponse:
        assert request.method == "GET"
        assert request.path == "/"
        assert request.headers["Accept"] == "multipart/related"
        assert request.query.getall("cert") == [hashlib.sha1(c).hexdigest() for c in certificates]
        assert request.query.getall("cert_hash") == [hashlib.sha256(c).hexdigest() for c in certificates]
        assert isinstance(answer, web.Response)
        return answer

    async with listening(handle) as server:
        assert server.port is not None
        return await fetch_from_server("127.0.0.1", server.port, certificates)


async def test_lookup() -> None:
    assert await lookup(multipart(b"A", b"B"), [b"cert 1", b"cert 2"]) == (b"A", b"B")


LOOKUP_FAILS: dict[str, tuple[Callable[[], web.Response], str]] = {
    "500": (lambda: web.Response(status=500, text="Could not find"), "ocsp_connection_error"),
    "too few": (lambda: multipart(), "cert_validation"),
    "too many": (lambda: multipart(b"A", b"B"), "cert_validation"),
    "not multipart": (lambda: web.Response(text="hello"), "ocsp_response_parsing_failure"),
    "oversized": (lambda: multipart(b"x" * (70 * 1024)), "ocsp_connection_error"),
}


@pytest.mark.parametrize("name", LOOKUP_FAILS)
async def test_lookup_fail(name: str) -> None:
    answer, code = LOOKUP_FAILS[name]
    with pytest.raises(CertificateStatusUnknown) as e:
        await lookup(answer(), [b"cert"])
    assert e.value.code == code


async def test_nobody_is_followed_elsewhere_fail(world: World) -> None:
    """A redirect would let a peer or a responder choose whom we connect to."""
    target = world.pki.urls[0]

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        if request.path == "/there":
            return multipart(b"A")
        there = target if request.method == "POST" else "/there"
        return web.Response(status=307, headers={"Location": there})

    async with listening(elsewhere) as server:
        assert server.port is not None
        with pytest.raises(CertificateStatusUnknown):
            await fetch_from_server("127.0.0.1", server.port, [b"cert"])
        world.pki.urls = (str(server.make_url("/")),)
        client = world.client()
        await client.start()
    assert client.get(world.certificate) is None
    assert world.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "bad host name"])
async def test_lookup_of_nobody_fail(host: str) -> None:
    with pytest.raises(CertificateStatusUnknown) as e:
        await fetch_from_server(host, 1, [b"cert"])
    assert e.value.code == "ocsp_connection_error"


async def test_other_certificates_are_watched_from_now_on(world: World) -> None:
    client = world.client()
    await client.start()
    other = world.pki.sign().certificate
    kept = client.get(world.certificate)
    await client.watch([other, world.certificate])
    assert client.get(other) is not None
    assert client.get(world.certificate) is kept
    asked = len(world.asked)
    await client.watch([other])
    assert client.get(world.certificate) is None
    assert len(world.asked) == asked
