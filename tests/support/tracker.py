"""Services that a provider's server answers itself: a whole exchange in memory, its records in a real database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from gateway.app.listeners import listen
from gateway.clientproxy.proxy import ClientProxy
from gateway.core.errors import UnknownSubject
from gateway.core.serverconf.model import BASE_ENDPOINT, AccessRight, Service, ServiceKind
from gateway.ownservices.inquiries import INQUIRIES, InquiryBox
from gateway.ownservices.inquirystore import InquiryStore, TextSeal
from gateway.ownservices.port import OwnServices
from gateway.ownservices.usage import USAGE, FindUsage
from gateway.serverproxy.metaservices import MetaServices
from gateway.settings.codes import load_codes
from gateway.settings.contracts import build_contract, load_contract
from gateway.settings.openapi import openapi_endpoints
from gateway.settings.ownservices import DOCUMENTS
from gateway.storage.accessrecords import AccessKeySource, nothing_sealed
from gateway.storage.database import Database
from gateway.transport.spool import Spool
from tests.support.access import SERVER
from tests.support.rawhttp import free_port
from tests.support.simulator import DVC, InstanceSimulator

ROOT = Path(__file__).resolve().parents[2]
WORDS = {"DVC-GIAI-QUYET-HO-SO": {"vi": "Giải quyết hồ sơ", "en": "Handling an application"}}
TRACKER = "/r1/VN/GOV/G01/dancu/findUsage"


def new_body() -> Spool:
    return Spool(above=64 * 1024, limit=1 << 26)


@dataclass
class TrackerWorld:
    """`box`: the inquiries of the provider's server."""

    sim: InstanceSimulator
    database: Database
    box: InquiryBox

    async def call(self, path: str, *headers: tuple[str, str]) -> tuple[int, Any]:
        """Status and JSON of a call that both servers took."""
        status, content = await self.content(TRACKER + path, *headers)
        return status, json.loads(content)

    async def content(self, target: str, *headers: tuple[str, str]) -> tuple[int, bytes]:
        answer = (await self.sim.call(target=target, headers=headers)).authentic
        assert answer.parts.body is not None
        return answer.response.status, b"".join([piece async for piece in answer.parts.body.chunks()])

    async def find(self, number: str, user: str = "thanh.tra", more: str = "", language: str = "vi") -> Any:
        headers = (("X-Road-UserId", user), ("Accept-Language", language))
        status, found = await self.call(f"/v2/findUsage?userCode={number}{more}", *headers)
        assert status == 200, found
        return found

    @asynccontextmanager
    async def over_http(self) -> AsyncIterator[str]:
        """The address of the consumer's server for information systems."""
        proxy = ClientProxy(self.sim.client_side, new_body, 64 * 1024, 5.0, lambda *_: None, _NoContainers())
        port = free_port()
        async with AsyncExitStack() as stack:
            await listen(stack, proxy.handle, "127.0.0.1", port, grace=1.0)
            yield f"http://127.0.0.1:{port}"


class _NoContainers:
    async def find(self, *_: object, **__: object) -> Sequence[Any]:
        raise UnknownSubject("no evidence is kept here")


def tracker_world(
    database: Database, words: Any = WORDS, keys: AccessKeySource = nothing_sealed, texts: TextSeal | None = None
) -> TrackerWorld:
    sim = InstanceSimulator()
    _offer(sim, "findUsage", USAGE, "find-usage")
    _offer(sim, "inquiries", INQUIRIES, "inquiries")
    sim.allow(AccessRight(DVC, "findUsage", BASE_ENDPOINT), AccessRight(DVC, "inquiries", BASE_ENDPOINT))
    find = FindUsage(database.pool, SERVER, words, sim.disclosure.official_key, keys)
    box = InquiryBox(InquiryStore(database.pool, sim.clock, texts))
    own = OwnServices({USAGE: find, INQUIRIES: box}, new_body, sim.service)
    conf = sim.server_side.serverconf

    async def read(url: str) -> bytes:
        return await asyncio.to_thread(Path(url.removeprefix("file:")).read_bytes)

    sim.server_side = replace(sim.server_side, service=MetaServices(conf, new_body, read, own))
    return TrackerWorld(sim, database, box)


def _offer(sim: InstanceSimulator, code: str, url: str, contract_file: str) -> None:
    sim.offer_service(_service(code, url, contract_file))


@cache
def _service(code: str, url: str, contract_file: str) -> Service:
    document = DOCUMENTS[url]
    endpoints = openapi_endpoints(document)
    contract = load_contract(ROOT / f"config/contracts/{contract_file}.yaml", f"VN/GOV/G01/dancu/{code}", endpoints)
    declared = build_contract(contract, load_codes(contract.codes))
    description = f"file:{document}"
    return Service(code, ServiceKind.OPENAPI3, url, description_url=description, endpoints=endpoints, contract=declared)
