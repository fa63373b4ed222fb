"""Two security servers, registry and trust of a small country on real sockets and a real message log, in one thread of the tests.

G22 is the consumer, G01 the provider; both run on uvloop as in production. G15 is a peer made by hand, G12 a false provider,
G13 is registered and nobody is there. Each server has a clock that a test can move.

    async with world.expect("client request", "server request"):      what both logs gain, and that all goes on afterwards
        ...
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import ssl
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from gateway.app.build import security_server
from gateway.app.listeners import clock, listen_app
from gateway.app.process import run
from gateway.app.roles import trust_role
from gateway.core.identifiers import MemberId, SecurityServerId
from gateway.core.signing.profiles import EJBCA, auth_certificate_subject
from gateway.registry.publisher import Publication, Publisher
from gateway.settings.registry import load_registry
from gateway.settings.server import load_server
from gateway.signer.tokens import KeyToken, open_token
from gateway.storage.embedded import EmbeddedPostgres
from gateway.trust.authority import Authority, Identity, Validity, validity
from gateway.trust.status import CertificateIndex
from tests.support.country import ADMIN_PORT, CLIENT_PORT, OCSP_PORT, PEER_PORT, TLS_PORT, Country, Server
from tests.support.handmade import FalseProvider, HandMadePeer, Signatory, TlsIdentity, ask_ocsp
from tests.support.http_raw import RawHttp
from tests.support.raw_service import RawService, raw_service
from tests.support.rawhttp import answer, head, talk

BODY_LIMIT = 256 * 1024
STALL = 0.5  # seconds: how long these servers wait for the next byte of a body
LIMITS = {"body": f"{BODY_LIMIT}B", "spool_above": "64KiB", "stall": f"{STALL * 1000:.0f}ms"}
PERSON = "/r1/VN/GOV/G01/dancu/person"
ABROAD = "/r1/VN/GOV/G12/bhxh/card/v1"
DVC = ("X-Road-Client", "VN/GOV/G22/dvc")
_SERVERS = ("G22-ss1", "G01-ss1")
_COUNT = (
    "SELECT side || ' ' || kind || coalesce(' ' || decision, '') AS what, count(*) AS n FROM message_record GROUP BY 1"
)


@dataclass
class ShiftedClock:
    """The real time and then some."""

    shift: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return clock() + self.shift


def country(folder: Path, pg: EmbeddedPostgres, service: str) -> Country:
    everybody = [{"to": "GOV/G22/dvc"}, {"to": "GOV/G22/dvcs"}, {"to": "GOV/G22/dvct"}, {"to": "GOV/G15/hotich"}]
    services: list[dict[str, Any]] = [
        {"code": "person", "url": service, "rights": everybody},
        {"code": "limited", "url": service, "rights": [{"to": "GOV/G22/dvc", "allow": ["GET /public/*"]}]},
        {"code": "closed", "url": service},
        {"code": "off", "url": service, "disabled": "being repaired", "rights": everybody},
        {"code": "down", "url": "http://127.0.0.1:1/", "rights": everybody},
        {"code": "nowhere", "url": "http://no-such-host.invalid/", "rights": everybody},
        {"code": "notls", "url": service.replace("http:", "https:"), "rights": everybody},
        {"code": "slow", "url": service, "timeout": "200ms", "rights": everybody},
    ]
    return Country(
        folder,
        [
            Server("G22", ["dvc", "dvcs", "dvct"], systems=_systems(folder), more=_more(pg, folder, "g22")),
            Server("G01", ["dancu"], services={"dancu": services}, more=_more(pg, folder, "g01")),
            Server("G15", ["hotich"], registered=["expired.pem", "revoked.pem"]),
            Server("G12", ["bhxh"], registered=["false-expired.pem", "false-revoked.pem", "false-registered.pem"]),
            Server("G13", ["lost"]),
        ],
    )


def _systems(folder: Path) -> dict[str, dict[str, Any]]:
    certificate = str(folder / "certs" / "dvct-is.pem")
    return {
        "dvcs": {"authentication": "https"},
        "dvct": {"authentication": "mutual_tls", "certificates": [certificate]},
    }


def _more(pg: EmbeddedPostgres, folder: Path, name: str) -> dict[str, Any]:
    database = {"embedded": str(pg.directory), "name": f"world_{name}_{folder.name.replace('-', '_')}".lower()}
    return {"database": database, "limits": LIMITS, "peers": {"connect_timeout": "2s", "answer_timeout": "2s"}}


class World:
    """See the module docstring. `log` is everything both servers have logged."""

    def __init__(self, folder: Path, pg: EmbeddedPostgres, service: RawService) -> None:
        self.country = country(folder, pg, service.url)
        self.service = service
        self.clocks = {name: ShiftedClock() for name in _SERVERS}
        self.log = io.StringIO()
        self.publisher = Publisher(lambda: load_registry(folder / "registry.yaml"), clock)
        self.consumer, self.provider = (self.country.address[name] for name in _SERVERS)
        self.identities: dict[str, TlsIdentity] = {}
        self._folder = folder
        self._pg = pg
        self._connections: list[asyncpg.Connection] = []
        self._read = 0

    # --- calls ---------------------------------------------------------------------------------------------------------

    async def call(
        self,
        target: str = PERSON,
        *headers: tuple[str, str | bytes],
        verb: str = "GET",
        body: bytes = b"",
        client: tuple[str, str] | None = DVC,
        tls: ssl.SSLContext | None = None,
    ) -> RawHttp:
        """An information system's call, byte for byte as given."""
        given = [("Host", "x"), ("Connection", "close"), *([client] if client else []), *headers]
        if body:
            given.append(("Content-Length", str(len(body))))
        return answer(await self.raw(head(f"{verb} {target} HTTP/1.1", given) + body, tls=tls))

    async def raw(self, *pieces: bytes, **how: Any) -> bytes:
        port = TLS_PORT if how.get("tls") else CLIENT_PORT
        return await talk(self.consumer, port, *pieces, **how)

    async def good_call(self) -> None:
        """Both servers still serve."""
        self.service.behave()
        got = await self.call(PERSON, verb="POST", body=b"x" * 100)
        assert (got.start_line, got.body) == ("HTTP/1.1 200 OK", b'{"ok":true}')
        assert b"x" * 100 in [body for _, body in self.service.calls]

    # --- evidence ------------------------------------------------------------------------------------------------------

    async def records(self) -> Counter[str]:
        """Of both message logs: `client request`, `server request access_denied`, ..."""
        found: Counter[str] = Counter()
        for connection in self._connections:
            found.update({row["what"]: row["n"] for row in await connection.fetch(_COUNT)})
        return found

    @asynccontextmanager
    async def expect(self, *records: str, errors: bool = False) -> AsyncIterator[None]:
        """Inside happens something bad. Then exactly these records have been added, no server logged an unexpected error (`errors`:
        unless it is expected), and a good call passes."""
        self.service.behave()
        before = await self.records()
        yield
        await self._settled(before, Counter(records))
        unexpected = self.unexpected()
        assert errors or not unexpected, unexpected
        await self.good_call()

    @asynccontextmanager
    async def survives(self) -> AsyncIterator[None]:
        """As `expect`, whatever has been recorded."""
        self.service.behave()
        yield
        assert not (unexpected := self.unexpected()), unexpected
        await self.good_call()

    async def _settled(self, before: Counter[str], due: Counter[str]) -> None:
        """The last record may follow the answer when nobody waited for it."""
        deadline = time.monotonic() + 5
        while (gained := await self.records() - before).total() < due.total() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert gained == due

    def unexpected(self) -> list[str]:
        """Lines of level error since the last look, and everything that is no line of the log at all (a traceback)."""
        lines = self.log.getvalue()[self._read :].splitlines()
        self._read = len(self.log.getvalue())
        return [
            line for line in lines if not line.startswith("{") or json.loads(line)["level"] in ("error", "critical")
        ]

    # --- trust ---------------------------------------------------------------------------------------------------------

    def publish(self, change: Callable[[Publication], Publication]) -> None:
        """The registry serves something else, from the next request on."""
        self.publisher._publications.appendleft(change(self.publisher._publications[0]))

    async def health(self, server: str) -> str:
        """What the server's health page says."""
        host = self.country.address[server]
        got = await talk(host, ADMIN_PORT, head("GET /health HTTP/1.1", [("Host", host), ("Connection", "close")]))
        return answer(got).body.decode()

    # --- who is made by hand ---------------------------------------------------------------------------------------------

    def token(self, name: str) -> KeyToken:
        """A PKCS#12 of the country: `G15-sign`, `G15-ss1-auth`."""
        pin = Path(self.country.cert(f"{name}.pin")).read_text().strip()
        return open_token(f"file:{self.country.cert(f'{name}.p12')}", pin=pin)

    async def identity(self, token: KeyToken) -> TlsIdentity:
        return TlsIdentity(
            token, await ask_ocsp(f"http://{self.country.trust}/ocsp", token.certificate, self._issuer())
        )

    def _issuer(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(Path(self.country.cert("ca.pem")).read_bytes())

    async def signatory(self, member: str) -> Signatory:
        token = self.token(f"{member}-sign")
        return Signatory(MemberId("VN", "GOV", member), token, (await self.identity(token)).ocsp)

    async def peer(self, member: str = "G15", client: str = "VN/GOV/G15/hotich") -> HandMadePeer:
        identity = await self.identity(self.token("G15-ss1-auth"))
        return HandMadePeer(self.provider, PEER_PORT, client, await self.signatory(member), identity)

    async def false_provider(self) -> FalseProvider:
        identity = await self.identity(self.token("G12-ss1-auth"))
        host = self.country.address["G12-ss1"]
        return FalseProvider(host, PEER_PORT, OCSP_PORT, await self.signatory("G12"), identity)

    def issue(self, name: str, server: str, *, expired: bool = False, revoked: bool = False) -> None:
        """One more authentication certificate of `server` in `<name>.pem`, key beside it; the CA's index knows it."""
        folder = Path(self.country.cert(""))
        root = Identity(
            load_pem_private_key((folder / "ca.key").read_bytes(), None),  # type: ignore[arg-type]
            x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()),
        )
        index, now = CertificateIndex(folder / "index.json"), datetime.now(UTC)
        during = Validity(now - timedelta(days=9), now - timedelta(days=2)) if expired else validity(now, years=1)
        subject = auth_certificate_subject(EJBCA, server=SecurityServerId("VN", "GOV", server, "ss1"))
        made = Authority(root, index.record).issue_authentication(subject, during)
        if revoked:
            index.revoke(made.certificate, now, x509.ReasonFlags.key_compromise)
        key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.pem").write_bytes(made.certificate.public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(key)

    async def issued(self, name: str) -> TlsIdentity:
        certificate = Path(self.country.cert(f"{name}.pem"))
        return await self.identity(open_token(f"file:{self.country.cert(f'{name}.key')}", certificate=certificate))

    # --- life ----------------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        self.country.write()
        self.country.write_registry(valid_for="2h", refresh="10m")
        for server, prefix in (("G15", ""), ("G12", "false-")):
            self.issue(f"{prefix}expired", server, expired=True)
            self.issue(f"{prefix}revoked", server, revoked=True)
            self.issue(f"{prefix}unregistered", server)
        self.issue("false-registered", "G12")

    async def serve(self, started: threading.Event, stopping: asyncio.Event) -> None:
        """Everything that runs, in the loop of its own thread."""
        host, _, port = self.country.registry.partition(":")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(trust_role(self._folder / "trust.yaml"))
            await self.publisher.refresh()
            await self.publisher.refresh()  # there is an older one to go back to
            await listen_app(stack, self.publisher.app(), host, int(port))
            for name in _SERVERS:
                file = self._folder / f"{name}.yaml"
                await stack.enter_async_context(security_server(file, self.clocks[name]))
            started.set()
            await stopping.wait()

    async def connect(self) -> None:
        for name in _SERVERS:
            database = load_server(self._folder / f"{name}.yaml").database_name
            self._connections.append(await asyncpg.connect(**self._pg.dsn_kwargs(database)))

    async def disconnect(self) -> None:
        for connection in self._connections:
            await connection.close()


@asynccontextmanager
async def running(folder: Path, pg: EmbeddedPostgres) -> AsyncIterator[World]:
    async with raw_service() as service:
        world = World(folder, pg, service)
        await asyncio.to_thread(world.prepare)
        with _own_logging():
            async with _in_thread(world):
                await world.connect()
                try:
                    yield world
                finally:
                    await world.disconnect()


@asynccontextmanager
async def _in_thread(world: World) -> AsyncIterator[None]:
    started, ended = threading.Event(), threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    failures: list[BaseException] = []

    async def main() -> None:
        stopping = asyncio.Event()
        stop.append((asyncio.get_running_loop(), stopping))
        await world.serve(started, stopping)

    def body() -> None:
        try:
            with contextlib.redirect_stderr(world.log):
                run(main())
        except BaseException as e:  # noqa: BLE001 - told to the fixture below
            failures.append(e)
        finally:
            started.set()
            ended.set()

    thread = threading.Thread(target=body, name="world", daemon=True)
    thread.start()
    await asyncio.to_thread(started.wait)
    try:
        if failures:
            raise failures[0]
        yield
    finally:
        loop, stopping = stop[0]
        if not ended.is_set():
            loop.call_soon_threadsafe(stopping.set)
        await asyncio.to_thread(thread.join)
    if failures:
        raise failures[0]


@contextlib.contextmanager
def _own_logging() -> Any:
    """The servers route the libraries' logs; the tests get theirs back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
