"""The citizens' portal in a test: a real database, real HTTP, an identity provider that says what it is told, a log in memory."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import asyncpg
import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from gateway.citizen.guard import Site
from gateway.citizen.idtoken import Expected
from gateway.citizen.inquiries import Deadlines, Inquiries
from gateway.citizen.lookups import Lookups
from gateway.citizen.oidc import Client, OpenIdProvider
from gateway.citizen.portal import Portal
from gateway.citizen.proofs import PublicLog
from gateway.citizen.records import Provider, RecordStore
from gateway.citizen.representation import Register, Representation
from gateway.citizen.service import build_citizen_app
from gateway.citizen.sessions import Sessions
from gateway.citizen.views import Dictionary
from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.merkle.hashing import leaf_hash, root_of
from gateway.core.merkle.policy import parse_policy
from gateway.core.merkle.proofs import inclusion_proof
from gateway.core.merkle.receipt import Receipt
from gateway.core.merkle.tiles import TILE_WIDTH, print_entries, print_hashes, tiles_of
from gateway.core.workingdays import WorkingDays
from gateway.pages.failure import Report
from gateway.settings.codes import load_codes
from gateway.settings.registry import load_registry
from gateway.storage.database import CITIZEN_ROLE, Database, open_pool
from tests.support.access import KIND, SERVER, add_access
from tests.support.linkedpages import unexpected
from tests.support.logkeys import AUDITOR, LOG, LOG_PQ, WITNESS, checkpoint_of, signed

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
ANH, HOA, CHILD, ADULT = "999300000017", "999070000015", "999215000061", "999204000058"
NAMES = {ANH: "Nguyễn Thị Minh Anh", HOA: "Nguyễn Văn Hòa"}
CLIENT = "so-minh-bach"

Claims = dict[str, Any]


@dataclass
class Issuer:
    """`change`: what becomes of an ID token's claims; `mint`: of claims a token. Both may lie."""

    url: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    kid: str = "k1"
    citizen: str = ANH
    nonce: str = ""
    challenge: str = ""
    status: int = 200
    described_as: str | None = None
    keys_status: int = 200
    key_requests: int = 0
    moved: str = ""
    change: Callable[[Claims], object] = lambda _: None
    mint: Callable[[Claims], str] | None = None

    def claims(self) -> Claims:
        now = int(time.time())
        made = {
            "iss": self.url,
            "sub": "s",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 60,
            "nonce": self.nonce,
            "acr": "level-2",
            "name": NAMES.get(self.citizen, "?"),
            "personal_number": self.citizen,
        }
        self.change(made)
        return made

    def token(self) -> str:
        mint = self.mint or (lambda c: jwt.encode(c, self.key, algorithm="ES256", headers={"kid": self.kid}))
        return mint(self.claims())

    def jwk(self) -> Claims:
        public: Claims = json.loads(ECAlgorithm.to_jwk(self.key.public_key()))
        return {**public, "kid": self.kid, "use": "sig", "alg": "ES256"}

    def app(self) -> web.Application:
        async def description(_: web.Request) -> web.Response:
            ends = {f"{k}_endpoint": f"{self.url}{self.moved}/{k}" for k in ("authorization", "token")}
            return web.json_response(
                {"issuer": self.described_as or self.url, "jwks_uri": f"{self.url}/keys", **ends}, status=self.status
            )

        async def keys(_: web.Request) -> web.Response:
            self.key_requests += 1
            return web.json_response({"keys": [self.jwk()]}, status=self.keys_status)

        async def token(request: web.Request) -> web.Response:
            form = await request.post()
            proved = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
            asked = self.challenge.encode()
            right = jwt.utils.base64url_encode(proved) == asked and form["code"] == "good"
            return web.json_response({"id_token": self.token()} if right else {"error": "invalid_grant"})

        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", description)
        app.router.add_get("/keys", keys)
        app.router.add_post("/token", token)
        return app


@dataclass
class MemoryLog:
    """The public log of 2026: files as anything would serve them, and receipts. Tests change its bytes. `kept`: receipts by leaf
    hash that are given instead of new ones."""

    entries: list[bytes] = field(default_factory=list)
    waiting: bool = False
    down: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    note: Any = None
    kept: dict[bytes, bytes] = field(default_factory=dict)

    def publish(self) -> None:
        hashes = [leaf_hash(e) for e in self.entries]
        self.note = signed(checkpoint_of(hashes), LOG, LOG_PQ, WITNESS, AUDITOR)
        self.files = {"checkpoint": bytes(self.note)}
        for tile in tiles_of(len(hashes)):
            first = tile.number * TILE_WIDTH
            if tile.level is None:
                data = print_entries(self.entries[first : first + tile.width])
            else:
                data = print_hashes([self.root(8 * tile.level, first + i) for i in range(tile.width)])
            self.files[tile.path] = data

    def root(self, level: int, n: int) -> bytes:
        return root_of(leaf_hash(e) for e in self.entries[n << level : (n + 1) << level])

    def receipt(self, wanted: bytes) -> bytes | None:
        if wanted in self.kept:
            return self.kept[wanted]
        index = next((i for i, e in enumerate(self.entries) if leaf_hash(e) == wanted), None)
        if index is None:
            return None
        return bytes(Receipt(index, inclusion_proof(index, len(self.entries), self.root), self.note))

    def app(self) -> web.Application:
        async def file(request: web.Request) -> web.Response:
            found = self.files.get(request.match_info["path"])
            if self.down:
                return web.Response(status=503)
            return web.Response(status=404) if found is None else web.Response(body=found)

        async def receipt(request: web.Request) -> web.Response:
            if self.down or self.waiting:
                return web.Response(status=503 if self.down else 202)
            found = self.receipt(bytes.fromhex(request.match_info["hash"]))
            return web.Response(status=404) if found is None else web.Response(body=found)

        app = web.Application()
        app.router.add_get("/2026/receipt/{hash}", receipt)
        app.router.add_get("/2026/{path:.+}", file)
        return app

    def policy(self, url: str) -> bytes:
        lines = [f"log {key.verifier} {url}/2026" for key in (LOG, LOG_PQ)]
        lines += [f"witness w {WITNESS.verifier}", f"witness a {AUDITOR.verifier}", "group both all w a", "quorum both"]
        return "\n".join(lines).encode() + b"\n"


@dataclass
class PopulationRegister:
    """Answers as the register does, through an exchange that is not there."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    down: bool = False

    def app(self) -> web.Application:
        async def person(request: web.Request) -> web.Response:
            number = request.match_info["id"]
            self.asked.append((number, request.headers["Purpose-Code"]))
            born = {CHILD: date(2015, 9, 5), ADULT: date(2004, 2, 29)}.get(number)
            if self.down:
                return web.json_response({"type": "server"}, status=500, headers={"X-Road-Error": "x"})
            if born is None:
                return web.json_response({}, status=404, headers={"X-Road-Id": "m-1"})
            told = {"id": number, "full_name": "Nguyễn Minh Khôi", "birth_date": born.isoformat(), "death_date": None}
            return web.json_response({**told, "father_id": HOA, "mother_id": None}, headers={"X-Road-Id": "m-1"})

        app = web.Application()
        app.router.add_get("/persons/{id}", person)
        return app


@dataclass
class SeenRequests:
    """The portal's watch."""

    requests: list[tuple[str, int]] = field(default_factory=list)
    sign_ins: list[str] = field(default_factory=list)

    def answered(self, kind: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((kind, status))

    def signed_in(self, outcome: str) -> None:
        self.sign_ins.append(outcome)


@dataclass
class PortalWorld:
    origin: str
    issuer: Issuer
    log: MemoryLog
    register: PopulationRegister
    database: Database
    portal: Portal
    pool: asyncpg.Pool
    provider: OpenIdProvider
    seen: SeenRequests
    now: datetime = NOW

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            yield Browser(self, http)

    @asynccontextmanager
    async def signed_in(self, citizen: str = ANH) -> AsyncIterator[Browser]:
        async with self.browser() as browser:
            self.issuer.citizen = citizen
            assert await browser.sign_in() == "/records"
            yield browser

    async def add(self, person: str, n: int = 1, *, log: bool = True, **more: Any) -> AccessEntry:
        """One record, made `n` minutes ago."""
        entry = await add_access(self.database.pool, person, self.now - timedelta(minutes=n), **more)
        if log:
            self.log.entries.append(entry.leaf)
            self.log.publish()
        return entry


@dataclass
class Browser:
    """One browser: its cookies, and redirects that it does not follow by itself."""

    world: PortalWorld
    http: aiohttp.ClientSession

    async def get(self, path: str, **more: Any) -> tuple[int, Any, str]:
        return await self.send("GET", path, **more)

    async def send(self, method: str, path: str, **more: Any) -> tuple[int, Any, str]:
        """Status, headers, text."""
        async with self.http.request(method, self.world.origin + path, allow_redirects=False, **more) as answer:
            return answer.status, answer.headers, await answer.text()

    async def json(self, path: str, **more: Any) -> Any:
        status, _, text = await self.get("/citizen/v1" + path, **more)
        assert status == 200, text
        return json.loads(text)

    async def begin(self, path: str = "/sign-in") -> dict[str, str]:
        """The request that goes to the identity provider."""
        status, headers, _ = await self.get(path)
        assert status == 303
        asked = {k: v[0] for k, v in parse_qs(urlsplit(headers["Location"]).query).items()}
        self.world.issuer.nonce, self.world.issuer.challenge = asked["nonce"], asked["code_challenge"]
        return asked

    async def come_back(self, state: str, code: str = "good") -> str:
        """Where the portal sends the browser next."""
        status, headers, _ = await self.get("/callback", params={"state": state, "code": code})
        assert status == 303
        where: str = headers["Location"]
        return where

    async def sign_in(self) -> str:
        return await self.come_back((await self.begin())["state"])

    async def csrf(self) -> str:
        found: str = (await self.json("/session"))["csrf"]
        return found


@cache
def _words() -> Dictionary:
    registry = load_registry(ROOT / "config/registry/vn.yaml", files=False)
    return Dictionary(registry, load_codes(ROOT / "config/codes/vn.yaml"))


@asynccontextmanager
async def portal_world(
    database: Database, max_delay_hours: int = 24, report: Report = unexpected
) -> AsyncIterator[PortalWorld]:
    async with AsyncExitStack() as stack:
        # As the portal's own role, in the one database that is here both the provider's and its own.
        pool = await open_pool(database._target, role=CITIZEN_ROLE)
        stack.push_async_callback(pool.close)
        log, register, issuer = MemoryLog(), PopulationRegister(), Issuer("")
        issuer.url = await _serve(issuer.app(), stack)
        policy = log.policy(await _serve(log.app(), stack))
        register_url = await _serve(register.app(), stack)
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)))
        port = unused_port()
        site = Site(f"http://127.0.0.1:{port}", timedelta(hours=8))
        world: PortalWorld | None = None
        seen = SeenRequests()
        portal = Portal(
            records=RecordStore({SERVER: Provider(pool)}, timedelta(hours=7)),
            lookups=Lookups(pool),
            asked=Inquiries(pool),
            filed=lambda: None,
            sessions=Sessions(pool, timedelta(minutes=15), timedelta(hours=8)),
            log=PublicLog(parse_policy(policy), http),
            words=_words(),
            deadlines=Deadlines(2, 30, 10, WorkingDays()),
            representation=Representation(Register(f"{register_url}/persons", "VN/GOV/G22/x", "SMB", 18), http),
            attempts=3,
            policy=policy,
            max_delay_hours=max_delay_hours,
            clock=lambda: NOW if world is None else world.now,
        )
        client = Client(CLIENT, None, "openid", f"{site.origin}/callback")
        expected = Expected(issuer.url, CLIENT, ("ES256",), ("level-2",), "personal_number", KIND)
        provider = OpenIdProvider(client, expected, http, time.monotonic)
        app = build_citizen_app(portal, provider, site, seen, report)
        server = TestServer(app, host="127.0.0.1", port=port)
        await server.start_server()
        stack.push_async_callback(server.close)
        world = PortalWorld(site.origin, issuer, log, register, database, portal, pool, provider, seen)
        yield world


async def _serve(app: web.Application, stack: AsyncExitStack) -> str:
    server = TestServer(app)
    await server.start_server()
    stack.push_async_callback(server.close)
    return str(server.make_url("")).rstrip("/")
