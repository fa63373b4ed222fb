"""A real instance for tests: its own processes, keys, YAML and PostgreSQL in a temporary folder, on its own loopback network.

    async with Country(folder, [Server("G22", clients=["dvc"]), Server("G01", clients=["dancu"], service=url)]) as country:
        status, headers, body = await country.call("G22", "dancu/person/v1/x", client="dvc")

A server is named by its member (`G22`, its first server) or in full (`G01-ss2`).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import yaml

from certs.generate import generate, load_topology
from gateway.app.demo import Child, supervise
from gateway.app.listeners import background
from gateway.storage.database import open_pool
from gateway.storage.embedded import EmbeddedPostgres, attach_or_start

_NETWORKS = itertools.count(os.getpid() % 100)
PEER_PORT, OCSP_PORT, CLIENT_PORT, TLS_PORT, ADMIN_PORT = 5500, 5577, 8080, 8443, 9100
LOG_ORIGIN = "tlog.vn.example/access"


@dataclass
class Server:
    """`services`: by client and service code, settings of config/reference.yaml. `registered`: files of further authentication
    certificates in the registry. `more`: further top-level settings. `log`: the database of its message log, when servers share
    one. `reached_at`: the address the registry tells others, when something stands in front of the server. `disclosing`: where
    there is a public log, what stands under `transparency` beside its address."""

    member: str
    clients: Sequence[str]
    code: str = "ss1"
    services: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    systems: dict[str, dict[str, Any]] = field(default_factory=dict)
    registered: Sequence[str] = ()
    more: dict[str, Any] = field(default_factory=dict)
    reached_at: str | None = None
    log: str | None = None
    disclosing: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.member}-{self.code}"


def new_network() -> str:
    """The first three numbers of loopback addresses that nobody uses, in this run or another."""
    return next(network for network in (f"127.{60 + n % 190}.10" for n in _NETWORKS) if _is_free(network))


def _is_free(network: str) -> bool:
    """Whether a server, a registry or the demo's identity provider could listen there."""
    for host, port in ((1, PEER_PORT), (4, PEER_PORT), (200, 8600), (100, 8600), (120, 8640)):
        with socket.socket() as probe:
            try:
                probe.bind((f"{network}.{host}", port))
            except OSError:
                return False
    return True


def _full(name: str) -> str:
    """`G22` is `G22-ss1`."""
    return name if "-" in name or name in ("trust", "registry", "transparency", "witness") else f"{name}-ss1"


def _database(server: Server) -> str:
    return server.log or server.name.lower().replace("-", "_")


class Country:
    """Start it with `async with`. `folder` must be short enough for a socket path or lie anywhere (then /tmp is used).
    `public_log`: with a transparency log, in the database `transparency`, and a witness."""

    def __init__(
        self,
        folder: Path,
        servers: Sequence[Server],
        *,
        key: str = "ec-p256",
        fast: bool = True,
        public_log: bool = False,
    ) -> None:
        self.folder = folder
        self.servers = {s.name: s for s in servers}
        self._key = key
        self._fast = fast
        self._public_log = public_log
        self.network = new_network()
        self.address = {name: f"{self.network}.{n + 1}" for n, name in enumerate(self.servers)}
        self.registry, self.trust = f"{self.network}.200:8600", f"{self.network}.201:8888"
        self.log_public, self.log_submit = f"{self.network}.205:8610", f"{self.network}.205:8611"
        self.witness = f"{self.network}.206:8620"
        self.children: dict[str, Child] = {}
        self.postgres: EmbeddedPostgres | None = None
        self._stack = AsyncExitStack()

    # --- files -----------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """YAML and keys. Idempotent."""
        members: dict[str, dict[str, str]] = {}
        for s in self.servers.values():
            members.setdefault(s.member, {})[s.code] = self.address[s.name]
        systems = {f"{c}-is": ["127.0.0.1"] for s in self.servers.values() for c in s.clients}
        self._yaml(
            "topology",
            {
                "instance": "VN",
                "profile": "ejbca",
                "key": self._key,
                "authority": "Test CA",
                "authority_years": 10,
                "certificate_years": 2,
                "renew_within_days": 30,
                "members": [{"id": f"GOV/{m}", "servers": found} for m, found in members.items()],
                "information_systems": systems,
                **({"transparency": self._log_topology()} if self._public_log else {}),
            },
        )
        generate(self.folder / "certs", load_topology(self.folder / "topology.yaml"), datetime.now(UTC))
        self._yaml(
            "trust",
            {
                "listen": self.trust,
                "ca": {"certificate": self.cert("ca.pem"), "key": f"file:{self.cert('ca.key')}"},
                "ocsp": {
                    "certificate": self.cert("ocsp.pem"),
                    "key": f"file:{self.cert('ocsp.key')}",
                    "valid_for": "1h",
                },
                "tsa": {
                    "certificate": self.cert("tsa.pem"),
                    "key": f"file:{self.cert('tsa.key')}",
                    "serials": self.cert("tsa.serial"),
                },
                "status": self.cert("index.json"),
            },
        )
        if self._public_log:
            self._write_log()
        self.write_registry()
        for s in self.servers.values():
            self.write_server(s)

    def _log_topology(self) -> dict[str, Any]:
        witness = {"code": "w", "name": "witness.example", "key": "ed25519", "url": f"http://{self.witness}"}
        return {"origin": LOG_ORIGIN, "url": f"http://{self.log_public}", "quorum": 1, "witnesses": [witness]}

    def _write_log(self) -> None:
        self._yaml(
            "transparency",
            {
                "origin": LOG_ORIGIN,
                "keys": self.cert("log-{year}-{kind}.key"),
                "policy": self.cert("log-policy.txt"),
                "database": {"embedded": str(self.folder / "pg"), "name": "transparency"},
                "folder": str(self.folder / "transparency"),
                "listen": {"public": self.log_public, "submit": self.log_submit},
                "tls": {"key": f"file:{self.cert('log-tls.key')}", "certificate": self.cert("log-tls.pem")},
                "submitters": [
                    {"server": f"VN/GOV/{s.member}/{s.code}", "certificates": [self.cert(f"{s.name}-tls.pem")]}
                    for s in self.servers.values()
                ],
            },
        )
        self._yaml(
            "witness",
            {
                "name": "witness.example",
                "keys": [{"key": f"file:{self.cert('witness-w.key')}"}],
                "policy": self.cert("log-policy.txt"),
                "state": str(self.folder / "state" / "witness"),
                "listen": self.witness,
            },
        )

    def write_registry(self, **publish: Any) -> None:
        members: dict[str, set[str]] = {}
        for s in self.servers.values():
            members.setdefault(s.member, set()).update(s.clients)
        authority = {
            "name": "Test CA",
            "certificate": self.cert("ca.pem"),
            "ocsp": f"http://{self.trust}/ocsp",
            "ocsp_certificate": self.cert("ocsp.pem"),
            "profile": "ejbca",
        }
        stamps = {"name": "Test TSA", "certificate": self.cert("tsa.pem"), "url": f"http://{self.trust}/tsa"}
        self._yaml(
            "registry",
            {
                "instance": "VN",
                "member_classes": {"GOV": "agencies"},
                "members": [
                    {"id": f"GOV/{m}", "name": f"Member {m}", "subsystems": {c: c for c in sorted(found)}}
                    for m, found in members.items()
                ],
                "security_servers": [
                    {
                        "id": f"GOV/{s.member}/{s.code}",
                        "address": s.reached_at or self.address[s.name],
                        "clients": [f"GOV/{s.member}/{c}" for c in s.clients],
                        "auth_certs": [self.cert(f"{s.name}-auth.pem"), *map(self.cert, s.registered)],
                    }
                    for s in self.servers.values()
                ],
                "trust": {
                    "certification_authorities": [authority],
                    "time_stamping_authorities": [stamps],
                    "ocsp_freshness": "1h",
                },
                "publish": {
                    "listen": self.registry,
                    "refresh": "1s",
                    "valid_for": "10m",
                    "signing_key": f"file:{self.cert('registry.key')}",
                    "certificate": self.cert("registry.pem"),
                    **publish,
                },
            },
        )

    def write_server(self, s: Server) -> None:
        host = self.address[s.name]
        key = {
            "token": f"file:{self.cert(f'{s.member}-sign.p12')}",
            "pin": f"file:{self.cert(f'{s.member}-sign.pin')}",
        }
        auth = {"token": f"file:{self.cert(f'{s.name}-auth.p12')}", "pin": f"file:{self.cert(f'{s.name}-auth.pin')}"}
        tls = {"key": f"file:{self.cert(f'{s.name}-tls.key')}", "certificate": self.cert(f"{s.name}-tls.pem")}
        settings = {
            "server": f"VN/GOV/{s.member}/{s.code}",
            "global_configuration": {"anchor": f"http://{self.registry}/anchor.xml", "refresh": "1s"},
            "database": {"embedded": str(self.folder / "pg"), "name": _database(s)},
            "transparency": self._disclosing(s),
            "keys": {"signing": key, "authentication": auth, "internal_tls": tls},
            "state": str(self.folder / "state" / s.name),
            "listen": {
                "clients_http": f"{host}:{CLIENT_PORT}",
                "clients_https": f"{host}:{TLS_PORT}",
                "servers": f"{host}:{PEER_PORT}",
                "ocsp": f"{host}:{OCSP_PORT}",
                "admin": f"{host}:{ADMIN_PORT}",
            },
            "clients": [
                {
                    "id": f"GOV/{s.member}/{c}",
                    "information_systems": s.systems.get(
                        c, {"authentication": "http", "certificates": [self.cert(f"{c}-is.pem")]}
                    ),
                    "services": s.services.get(c, []),
                }
                for c in s.clients
            ],
        }
        self._yaml(s.name, {**settings, **s.more})

    def _disclosing(self, s: Server) -> str | dict[str, Any]:
        if not self._public_log or not s.services:
            return "off"
        number = 1 + list(self.servers).index(s.name)
        log = {"log": f"https://{self.log_submit}", "certificates": [self.cert("log-tls.pem")]}
        return {"origin": LOG_ORIGIN, **log, "provider": number, **s.disclosing}

    def cert(self, name: str) -> str:
        return str(self.folder / "certs" / name)

    def _yaml(self, name: str, value: Any) -> None:
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(value, allow_unicode=True, sort_keys=False))

    # --- processes -------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Country:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        await asyncio.to_thread(self.write)
        fast = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"} if self._fast else {}
        group = await self._stack.enter_async_context(asyncio.TaskGroup())
        self.postgres = await attach_or_start(self.folder / "pg", settings=fast)
        self._stack.push_async_callback(self.postgres.stop)
        background(group, self._stack, self.postgres.run())
        roles = [self._child("trust", "trust"), self._child("registry", "registry")]
        if self._public_log:
            roles += [self._child("transparency", "transparency"), self._child("witness", "witness")]
        servers = [self._child("server", name) for name in self.servers]
        await self._stack.enter_async_context(supervise([roles, servers]))

    def _child(self, role: str, name: str) -> Child:
        config = str(self.folder / f"{name}.yaml")
        child = Child(name, ("gateway", role, "--config", config, "--supervised"), self.folder / f"{name}.log")
        self.children[name] = child
        return child

    def pid(self, name: str) -> int:
        process = self.children[_full(name)].process
        assert process is not None
        return process.pid

    def running(self, name: str) -> bool:
        process = self.children[_full(name)].process
        return process is not None and process.returncode is None

    def kill(self, name: str) -> None:
        """kill -9; the supervisor starts it again."""
        os.kill(self.pid(name), signal.SIGKILL)

    def kill_postgres(self) -> None:
        """kill -9 of the database server's first process; it is started again. Nothing when it is just being started."""
        assert self.postgres is not None
        if self.postgres.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.postgres.pid, signal.SIGKILL)

    async def crash(self, name: str) -> None:
        """kill -9, and it stays away until `start_again`."""
        child = self.children[_full(name)]
        assert child.process is not None
        child.stopping = True
        child.process.kill()
        await child.process.wait()

    async def start_again(self, name: str) -> None:
        child = self.children[_full(name)]
        child.stopping = False
        await child.start()

    async def stop(self, name: str) -> None:
        """For good."""
        await self.children[_full(name)].stop()

    @asynccontextmanager
    async def log_of(self, name: str) -> AsyncIterator[asyncpg.Pool]:
        """Its message log, as who may only read and add."""
        assert self.postgres is not None
        pool = await open_pool(self.postgres.dsn_kwargs(_database(self.servers[_full(name)])), read_only=True)
        try:
            yield pool
        finally:
            await pool.close()

    @asynccontextmanager
    async def public_log(self) -> AsyncIterator[asyncpg.Pool]:
        """The transparency log's database, to be read."""
        assert self.postgres is not None
        pool = await open_pool(self.postgres.dsn_kwargs("transparency"), read_only=True)
        try:
            yield pool
        finally:
            await pool.close()

    def log(self, name: str) -> str:
        return (self.folder / f"{_full(name)}.log").read_text(errors="replace")

    # --- calling ---------------------------------------------------------------------------------------------------

    def url(self, consumer: str, service: str) -> str:
        """`service`: MEMBER/subsystem/code[/path]"""
        return f"http://{self.address[_full(consumer)]}:{CLIENT_PORT}/r1/VN/GOV/{service}"

    async def call(
        self, consumer: str, service: str, *, client: str, method: str = "GET", **more: Any
    ) -> tuple[int, dict[str, str], bytes]:
        """One call as an information system makes it: status, headers (lower-case names), body."""
        headers = {
            "X-Road-Client": f"VN/GOV/{self.servers[_full(consumer)].member}/{client}",
            **more.pop("headers", {}),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url(consumer, service), headers=headers, **more) as answer,
        ):
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read()

    async def health(self, name: str) -> dict[str, Any]:
        """Its `/health`."""
        url = f"http://{self.address[_full(name)]}:{ADMIN_PORT}/health"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def metrics(self, name: str) -> dict[str, float]:
        """Its `/metrics`: value by name and labels."""
        url = f"http://{self.address[_full(name)]}:{ADMIN_PORT}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            lines = (await answer.text()).splitlines()
        return {n: float(v) for n, _, v in (line.rpartition(" ") for line in lines if not line.startswith("#"))}
