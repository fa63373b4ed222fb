"""The portal with its pages and the stand-in identity provider on ports of their own, and one dossier of the example family."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer, unused_port

from adapters.dvc import build_adapter
from adapters.dvc.web.app import Places, build_pages
from adapters.dvc.web.reasons import load_return_reasons
from adapters.people.example import PERSONS
from adapters.sdk.testkit import Served, served
from adapters.vneid.service import build_vneid, load_citizens, load_officers
from gateway.pages.failure import Report
from tests.architecture.source import ROOT
from tests.support.linkedpages import unexpected

FATHER, MOTHER, DAUGHTER, *_ = (person.id for person in PERSONS)
REASONS = ROOT / "config" / "codes" / "return-reasons.yaml"
AGENCY = "VN/GOV/G22/lienthong"
NUMBER = "999-KS-2026-000001"
ANSWERS = "http://answers.example/"
BIRTH = {
    "step": {"vi": "Đăng ký khai sinh", "en": "Birth registration"},
    "agency": {"vi": "Hộ tịch", "en": "Civil status"},
}
HOME = {"step": {"vi": "Thường trú", "en": "Residence"}, "agency": {"vi": "Công an cấp xã", "en": "Commune police"}}
HEAD = {"vi": "Chủ hộ", "en": "Householder"}
REASON = {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "LUAT-HOTICH-2014-D16", "note": "/sex <b>x</b>"}


@dataclass
class Portal:
    """The adapter, and the address of its pages. `day`: of the next thing that is told."""

    served: Served
    origin: str
    day: int = 20

    async def told(self, path: str, body: dict[str, Any]) -> None:
        self.day += 1
        moment = {"at": f"2026-10-{self.day:02}T08:30:00+07:00"}
        answer = await self.served.post(path, body | moment, client=AGENCY, number=NUMBER)
        assert answer.status == 201, answer.body

    async def state(self, state: str, words: dict[str, Any] | None = None, **more: Any) -> None:
        await self.told("/v1/dossiers/{number}/states", {"state": state, **(words or {}), **more})


@asynccontextmanager
async def portal_pages(pool: Any, report: Report = unexpected) -> AsyncIterator[Portal]:
    """With one dossier of the daughter."""
    async with AsyncExitStack() as stack:
        adapter = await stack.enter_async_context(served(build_adapter(60), pool))
        ports = unused_port(), unused_port()
        origin = f"http://127.0.0.1:{ports[0]}"
        places = Places(origin=origin, issuer=f"http://127.0.0.1:{ports[1]}", answers=ANSWERS)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        pages = build_pages(places, pool, http, load_return_reasons(REASONS), lambda: datetime.now(UTC), report)
        vneid = build_vneid(places.issuer, load_citizens(), load_officers())
        for app, port in ((pages, ports[0]), (vneid, ports[1])):
            server = TestServer(app, port=port)
            await server.start_server()
            stack.push_async_callback(server.close)
        body = {"number": NUMBER, "procedure": "LT-KS", "applicant_id": DAUGHTER}
        filed = {"filed_at": "2026-10-20T08:30:00+07:00", "due_at": "2026-12-19T08:30:00+07:00"}
        assert (await adapter.post("/v1/dossiers", body | filed, client=AGENCY)).status == 201
        yield Portal(adapter, origin)
