"""Mutual TLS between an adapter and its security server, over real sockets, against the contexts of the gateway itself."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.sdk.delivery import open_road
from adapters.sdk.delivery.messages import Message
from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.delivery.road import NoAnswer
from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.server import listening
from adapters.sdk.sources import RoadSource
from adapters.sdk.tls import Tls, road_of, tls_of
from gateway.transport.tls import der, service_client_context, system_server_context
from gateway.trust.authority import Identity, create_tls, named, validity

NOW = datetime.now(UTC)
CLIENT = "VN/GOV/G18/yte"


@dataclass(frozen=True, slots=True)
class Files:
    """An identity, as files."""

    identity: Identity
    certificate: Path
    key: Path

    def load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.load_cert_chain(self.certificate, self.key)
        return context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Files]:
    """`server`: of the security server; `adapter`; `stranger`: of neither; `elsewhere`: the server's, for another address."""
    folder = tmp_path_factory.mktemp("tls")
    made: dict[str, Files] = {}

    def named_files(name: str) -> Files:
        if name not in made:
            address = "127.0.99.9" if name == "elsewhere" else "127.0.0.1"
            identity = create_tls(named(name), validity(NOW - timedelta(days=1), years=1), addresses=[address])
            made[name] = Files(identity, folder / f"{name}.pem", folder / f"{name}.key")
            made[name].certificate.write_bytes(identity.certificate.public_bytes(Encoding.PEM))
            key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            made[name].key.write_bytes(key)
        return made[name]

    return named_files


@pytest.fixture
def tls(files: Callable[[str], Files]) -> Tls:
    return Tls(files("server").certificate, files("adapter").certificate, files("adapter").key)


@asynccontextmanager
async def adapter_behind(tls: Tls) -> AsyncIterator[str]:
    async def health(_: web.Request) -> web.Response:
        return web.Response(text="well")

    app, port = web.Application(), unused_port()
    app.router.add_get("/health", health)
    async with listening(app, "127.0.0.1", port, tls):
        yield f"https://127.0.0.1:{port}/health"


async def fetched(url: str, context: ssl.SSLContext) -> str:
    async with aiohttp.ClientSession() as session, session.get(url, ssl=context) as answer:
        return await answer.text()


async def test_the_gateway_reaches_the_adapter(tls: Tls, files: Callable[[str], Files]) -> None:
    """With the context that a security server has for HTTPS services, showing its internal TLS certificate."""
    context = service_client_context([der(files("adapter").identity.certificate)])
    async with adapter_behind(tls) as url:
        assert await fetched(url, files("server").load(context)) == "well"


@pytest.mark.parametrize("who", ["stranger", "adapter", None])
async def test_only_the_security_server_gets_in(tls: Tls, files: Callable[[str], Files], who: str | None) -> None:
    context = service_client_context([der(files("adapter").identity.certificate)])
    if who is not None:
        files(who).load(context)
    async with adapter_behind(tls) as url:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError, ConnectionError)):
            await fetched(url, context)


@asynccontextmanager
async def client_proxy(shows: Files, accepts: Files) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Port 8443 of a security server, with the gateway's own context; which certificates were shown to it."""
    shown: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        connection = request.transport.get_extra_info("ssl_object")
        shown.append(connection.getpeercert(binary_form=True) or b"")
        return web.json_response({"number": "1"})

    app, port = web.Application(), unused_port()
    app.router.add_route("*", "/{any:.*}", answer)
    context = shows.load(system_server_context([der(accepts.identity.certificate)]))
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        yield f"https://127.0.0.1:{port}", shown
    finally:
        await runner.cleanup()


def claim() -> Claim:
    named_ = ("k", "999-KS-2026-000001", "VN/GOV/G22/lienthong/dossiers", "/v1/dossiers")
    return Claim(uuid4(), 1, Message(uuid4(), *named_, b"{}", NOW + timedelta(days=1)))


async def test_the_adapter_calls_its_security_server(tls: Tls, files: Callable[[str], Files]) -> None:
    """Messages and questions show its certificate; without one nothing is shown (HTTPS NO AUTH)."""
    own = der(files("adapter").identity.certificate)
    async with client_proxy(files("server"), files("adapter")) as (url, shown):
        async with open_road(url, CLIENT, tls=tls) as road:
            assert (await road.send(claim())).status == 200
        assert await _source(url, tls).find("1") == {"number": "1"}
        assert await _source(url, Tls(tls.security_server)).find("1") == {"number": "1"}
    assert shown == [own, own, b""]


def _source(url: str, tls: Tls) -> RoadSource:
    return RoadSource(url, CLIENT, "VN/GOV/G01/dancu/person", "/v1/persons/", "P", tls=tls)


@pytest.mark.parametrize("shows", ["stranger", "elsewhere"])
async def test_only_the_security_server_is_told(tls: Tls, files: Callable[[str], Files], shows: str) -> None:
    """Another certificate, or its certificate for another address: nothing of a call leaves."""
    known = Tls(files("elsewhere").certificate, tls.certificate, tls.key) if shows == "elsewhere" else tls
    async with client_proxy(files(shows), files("adapter")) as (url, shown):
        async with open_road(url, CLIENT, tls=known) as road:
            with pytest.raises(NoAnswer):
                await road.send(claim())
        with pytest.raises(SourceUnavailable):
            await _source(url, known).find("1")
    assert shown == []


def test_what_the_environment_says(tmp_path: Path) -> None:
    assert tls_of({}) is None
    named_ = {"ADAPTER_SECURITY_SERVER": "s.pem", "ADAPTER_TLS_CERTIFICATE": "a.pem", "ADAPTER_TLS_KEY": "a.key"}
    assert tls_of(named_) == Tls(Path("s.pem"), Path("a.pem"), Path("a.key"))
    for name in named_:
        with pytest.raises(ValueError, match="belong together"):
            tls_of({k: v for k, v in named_.items() if k != name})
    assert road_of({}, "http://127.0.0.1:8080") == ("http://127.0.0.1:8080", None)
    assert road_of(named_ | {"ADAPTER_ROAD": "https://x:8443"}, "http://y") == ("https://x:8443", tls_of(named_))
    with pytest.raises(ValueError, match="ADAPTER_ROAD is https"):
        road_of({"ADAPTER_ROAD": "https://x:8443"}, "http://y")
    with pytest.raises(ValueError, match="shows a certificate"):
        Tls(tmp_path / "s.pem").listening()
    with pytest.raises(OSError, match=r"No such file"):
        Tls(tmp_path / "s.pem").calling()
