from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.core.digest import sha512
from gateway.core.errors import EvidenceUnavailable
from gateway.core.globalconf.model import GlobalConfiguration, OptionalParts, SharedParameters
from gateway.core.signing.timestamp import verify_timestamp
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.tsp import MAX_TOKEN, PkiFailure, build_query, build_rejection
from gateway.messagelog.tsaclient import TimeStampClient
from tests.support.pki import NOON, Pki

PKI = Pki()
DATA = b"what is stamped"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def authority(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/tsa", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/tsa"))


async def good(request: web.Request) -> web.Response:
    assert await request.read() == build_query(sha512(DATA))
    assert request.content_type == "application/timestamp-query"
    return web.Response(body=PKI.authority().answer(await request.read(), PKI.now))


async def fast(request: web.Request) -> web.Response:
    return web.Response(body=PKI.authority().answer(await request.read(), PKI.now + timedelta(minutes=6)))


async def refuses(_: web.Request) -> web.Response:
    return web.Response(body=build_rejection(PkiFailure.SYSTEM_FAILURE, "not today"))


async def broken(_: web.Request) -> web.Response:
    return web.Response(status=500)


async def redirects(_: web.Request) -> web.Response:
    raise web.HTTPTemporaryRedirect("http://127.0.0.1:1/")


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(2 + MAX_TOKEN // 1024):
        await response.write(bytes(1024))
    return response


async def silent(_: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    raise AssertionError


def conf(*urls: str, name: str = "TSA") -> GlobalConfiguration:
    tsas = tuple(replace(PKI.approved_tsa, url=url, name=f"{name} {n}") for n, url in enumerate(urls, 1))
    shared = SharedParameters("VN", 6, timedelta(hours=1), approved_tsas=tsas)
    return GlobalConfiguration("VN", "f", {}, {"VN": shared}, {"VN": None}, None, OptionalParts())


def client(*urls: str, timeout: float = 5.0) -> TimeStampClient:
    return TimeStampClient(lambda: NOON, urls=urls, timeout=timeout)


async def test_a_stamp() -> None:
    async with authority(good) as url:
        token = await client().stamp(DATA, conf(url))
    assert verify_timestamp(token.der, DATA, (PKI.approved_tsa,)).serial == token.verified.serial
    assert PKI.tsa.der in token.der


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (fast, "its time is more than five minutes from ours"),
        (refuses, "status 2 \\(system_failure\\)"),
        (broken, "HTTP status 500"),
        (redirects, "HTTP status 307"),
        (endless, "its answer is oversized"),
        (silent, "it does not answer in time"),
    ],
)
async def test_the_next_one_is_asked(handler: Handler, reason: str) -> None:
    # The good one has the same time to answer in, however slow the machine; nobody but the silent one needs the shorter time.
    async with authority(handler) as first, authority(good) as second:
        patient = client(timeout=1.5 if handler is silent else 5.0)
        assert (await patient.stamp(DATA, conf(first, second))).verified.tsa.name == "TSA 2"
        with pytest.raises(EvidenceUnavailable, match=f"TSA 1: .*{reason}") as e:
            await client(timeout=0.2 if handler is silent else 5.0).stamp(DATA, conf(first))
        assert e.value.code == "timestamper_failed"


async def test_nobody_listens() -> None:
    with pytest.raises(EvidenceUnavailable, match="TSA 1: it cannot be reached"):
        await client().stamp(DATA, conf("http://127.0.0.1:1/tsa"))


async def test_the_order_is_the_operators() -> None:
    async with authority(good) as a, authority(good) as b:
        assert (await client(b, a).stamp(DATA, conf(a, b))).verified.tsa.url == b
        assert (await client(b).stamp(DATA, conf(a, b))).verified.tsa.url == b


async def test_only_approved_authorities_are_asked() -> None:
    async with authority(good) as url:
        with pytest.raises(EvidenceUnavailable, match="approves no time-stamping authority"):
            await client(url).stamp(DATA, conf())
        stranger = ApprovedTsa("stranger", url, Pki().tsa.certificate)
        shared = SharedParameters("VN", 6, timedelta(hours=1), approved_tsas=(stranger,))
        other = GlobalConfiguration("VN", "f", {}, {"VN": shared}, {"VN": None}, None, OptionalParts())
        with pytest.raises(EvidenceUnavailable, match="stranger: "):
            await client(url).stamp(DATA, other)
