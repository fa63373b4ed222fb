"""OCSP answers of peers in time: a clock that moves, a real TLS handshake, and a provider that hangs up after the request."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.errors import CertificateStatusUnknown, PeerRejected, PeerUnavailable
from gateway.core.framing.transport import FramingLimits
from gateway.core.globalconf.model import GlobalConfiguration, OptionalParts, SecurityServer, SharedParameters
from gateway.core.identifiers import SecurityServerId
from gateway.core.messages.fault import Fault, print_soap_fault
from gateway.exchange.peers import PeerVerdicts
from gateway.exchange.states import LoggedRequest
from gateway.transport.peers import FetchOcsp, PeerLinks, PeerOptions
from gateway.transport.spool import Spool
from tests.support.log_states import signed_request
from tests.support.pki import NOON, Issued, Pki

SERVER = SecurityServerId("VN", "GOV", "G01", "ss1")
INTERVAL = timedelta(minutes=20)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class World:
    """Freshness an hour, fetch interval twenty minutes. `silent`: the peer's 5577 gives nothing."""

    def __init__(self, port: int, auth: Issued, pki: Pki) -> None:
        self.pki, self.auth, self.asked, self.silent = pki, auth, 0, False
        self.request = signed_request()
        provider = self.request.received.request.service.client
        server = SecurityServer(SERVER, "127.0.0.1", (hashlib.sha256(auth.der).digest(),), frozenset({provider}))
        self.logged = LoggedRequest(
            replace(self.request, routed=replace(self.request.routed, servers=(server,))), record_number=1
        )
        shared = SharedParameters("VN", 6, timedelta(hours=1), approved_cas=pki.trust().approved_cas, servers=(server,))
        options = OptionalParts(ocsp_fetch_interval=INTERVAL)
        self.conf = GlobalConfiguration("VN", "f", {}, {"VN": shared}, {"VN": None}, None, options)
        self.links = self.new_links(PeerOptions(port=port), self.fetch)

    def new_links(self, options: PeerOptions, fetch: FetchOcsp) -> PeerLinks:
        return PeerLinks(
            options,
            self,
            _Always(self.conf),
            lambda: self.pki.now,
            PeerVerdicts(),
            fetch,
            lambda: Spool(above=1000, limit=1000),
            FramingLimits(),
        )

    # the key this side shows, and the look-up at the peer

    def current(self) -> World:
        return self

    def load_into(self, context: ssl.SSLContext) -> None:
        """The peer of this test asks for none."""

    def ocsp_responses(self) -> tuple[bytes, ...]:
        return (b"our own answer",)

    async def fetch(self, host: str, port: int, chain: Sequence[bytes]) -> tuple[bytes, ...]:
        self.asked += 1
        if self.silent:
            raise CertificateStatusUnknown("The security server has no OCSP answers for its certificates")
        return tuple(self.pki.ocsp(self.auth.certificate, this_update=self.pki.now) for _ in chain)

    async def accepted(self) -> bool:
        """Whether the peer got the request (it hangs up on it)."""
        try:
            await self.links.send(self.logged)
        except PeerRejected:
            return False
        except PeerUnavailable:
            return True
        raise AssertionError("the peer answered")


class _Always:
    def __init__(self, conf: GlobalConfiguration) -> None:
        self._conf = conf

    def current(self) -> GlobalConfiguration:
        return self._conf


@asynccontextmanager
async def listening(
    directory: Path, auth: Issued, ended: asyncio.Event | None = None, then: Serve | None = None
) -> AsyncIterator[int]:
    """`ended`: set when a connection is over. `then`: what is done with it, instead of hanging up on the request."""
    (directory / "auth.pem").write_bytes(auth.pem + auth.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "auth.pem")

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()
        if ended is not None:
            ended.set()

    async with await asyncio.start_server(then or hang_up, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    pki = Pki()
    auth = pki.issue_auth(SERVER)
    async with listening(tmp_path, auth) as port:
        made = World(port, auth, pki)
        yield made
        await made.links.close()


async def test_answers_are_used_for_the_fetch_interval(world: World) -> None:
    for minutes, asked in ((0, 1), (19, 1), (20, 2), (39, 2), (40, 3)):
        world.pki.now = NOON + timedelta(minutes=minutes)
        assert await world.accepted()
        assert world.asked == asked, minutes


async def test_a_revoked_server_is_refused_within_the_fetch_interval(world: World) -> None:
    """Its last good answer would be fresh for forty minutes more."""
    assert await world.accepted()
    world.pki.now += timedelta(minutes=1)
    world.pki.revoke(world.auth.certificate)
    world.pki.now = NOON + INTERVAL - timedelta(seconds=1)
    assert await world.accepted()
    world.pki.now = NOON + INTERVAL
    assert not await world.accepted()


async def test_a_server_that_has_no_new_answer_is_refused_too(world: World) -> None:
    """A revoked server gives none, and would like its old one to be used."""
    assert await world.accepted()
    world.silent = True
    world.pki.now = NOON + INTERVAL
    assert not await world.accepted()
    world.silent = False
    assert await world.accepted()


async def test_a_clock_that_was_set_back_asks_again(world: World) -> None:
    world.pki.now = NOON + timedelta(seconds=30)
    assert await world.accepted()
    world.pki.now = NOON
    assert await world.accepted()
    assert world.asked == 2


async def test_no_connection_is_left_open_when_the_look_up_never_ends(tmp_path: Path) -> None:
    """5500 shakes hands at once and 5577 says nothing until the time for connecting is over."""
    pki = Pki()
    auth = pki.issue_auth(SERVER)
    ended = asyncio.Event()

    async def fetch(_: str, __: int, ___: Sequence[bytes]) -> tuple[bytes, ...]:
        await asyncio.Event().wait()
        raise AssertionError

    async with listening(tmp_path, auth, ended) as port:
        world = World(port, auth, pki)
        world.links = world.new_links(PeerOptions(port=port, connect_timeout=0.3), fetch)
        with pytest.raises(PeerUnavailable):
            await world.links.send(world.logged)
        async with asyncio.timeout(5):
            await ended.wait()


@pytest.mark.slow
async def test_an_answer_may_take_as_long_as_it_comes(tmp_path: Path) -> None:
    """What ends an exchange is silence, not size: a large body over a slow line needs longer than anybody waits for a word."""
    pki = Pki()
    auth = pki.issue_auth(SERVER)
    fault = print_soap_fault(Fault("server.serverproxy.access_denied", "Request is not allowed"))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(fault)

    async def dictate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n0\r\n\r\n")
        for piece in (head, *(fault[at : at + 100] for at in range(0, len(fault), 100))):
            writer.write(piece)
            await asyncio.sleep(0.5)
        writer.close()

    async with listening(tmp_path, auth, then=dictate) as port:
        world = World(port, auth, pki)
        world.links = world.new_links(PeerOptions(port=port, answer_timeout=1.5), world.fetch)
        reply = await world.links.send(world.logged)
        assert reply.message.fault == fault
        await world.links.close()
