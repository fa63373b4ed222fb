"""A real provider's server learns who was revoked, refuses what they sign, and knows it after a restart without the authority."""

from __future__ import annotations

import json
import shutil
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.serialization import Encoding

from tests.simulation.instance import CONTRACT
from tests.simulation.notices import hospitals
from tests.support.country import Country, Server
from tests.support.documents import FACILITY, Documents, notice
from tests.support.pki import Issued
from tests.support.revocations import revocation_list
from tests.support.service import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NOTICES = "G15/hotich/notices/v1/notices"


@asynccontextmanager
async def publishing(world: Documents, revoked: list[Issued]) -> AsyncIterator[TestServer]:
    async def get(_: web.Request) -> web.Response:
        world.pki.now = datetime.now(UTC)
        return web.Response(body=revocation_list(world, *revoked))

    app = web.Application()
    app.router.add_get("/facilities.crl", get)
    server = TestServer(app)
    async with server:
        yield server


def provider(folder: Path, service: str, lists: str) -> Server:
    revocation = {"source": "crl", "urls": [lists], "refresh": "1s", "freshest": "1h", "unknown": "block"}
    documents = {"policy": "block", "trust": [str(folder / "facilities-ca.pem")], "revocation": revocation}
    gate = {
        "code": "notices",
        "url": service,
        "rights": [{"to": "GOV/G22/coso"}],
        "endpoints": ["POST /v1/notices"],
        "contract": str(folder / "notices.yaml"),
        "documents": documents,
    }
    return Server("G15", ["hotich"], services={"hotich": [gate]})


async def sent(country: Country, world: Documents) -> str:
    """`taken`, or the error of the answer, to a notice that is signed now."""
    document = b64encode(world.signed(notice(FACILITY), time=datetime.now(UTC))).decode()
    status, headers, _ = await country.call(
        "G22", NOTICES, client="coso", method="POST", data=json.dumps({"document": document}).encode(),
    )  # fmt: skip
    return "taken" if status == 200 else headers["x-road-error"]


async def test_a_revoked_signer_is_refused_from_the_next_look_on() -> None:
    folder, revoked = Path(tempfile.mkdtemp(prefix="signers-")), list[Issued]()
    world = hospitals(datetime.now(UTC))
    try:
        (folder / "notices.yaml").write_text(yaml.safe_dump(CONTRACT, allow_unicode=True), "utf-8")
        (folder / "facilities-ca.pem").write_bytes(world.pki.ca.certificate.public_bytes(Encoding.PEM))
        async with serving() as service, publishing(world, revoked) as lists:
            consumer = Server("G22", ["coso"], systems={"coso": {"authentication": "http"}})
            url = str(lists.make_url("/facilities.crl"))
            async with Country(folder, [consumer, provider(folder, service.url, url)]) as country:
                assert await sent(country, world) == "taken"
                revoked.append(world.signer)
                while (said := await sent(country, world)) == "taken":
                    pass  # until the next look
                assert said.endswith("invalid_document.revoked")
                await lists.close()
                await country.crash("G15")
                await country.start_again("G15")
                assert (await sent(country, world)).endswith("invalid_document.revoked")
                problems = (await country.health("G15"))["problems"]
                assert any("Revocations of document signers" in json.dumps(problem) for problem in problems), problems
    finally:
        shutil.rmtree(folder, ignore_errors=True)
