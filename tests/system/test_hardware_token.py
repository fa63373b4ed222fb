"""A security server whose members' keys are on a PKCS#11 token (SoftHSM), whole: exchanges at full width, the token pulled."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from gateway.trust.authority import Identity
from tests.support.country import Country, Server
from tests.support.service import Service, serving
from tests.support.softhsm import PIN, SoftHsm, softhsm

pytestmark = [pytest.mark.slow, pytest.mark.interop]

_EXCHANGES = 1000


def _move_key(country: Country, hsm: SoftHsm, member: str) -> None:
    """The member's signing key goes from its file to the token."""
    certs = country.folder / "certs"
    pin = (certs / f"{member}-sign.pin").read_text().strip().encode()
    key, certificate, _ = pkcs12.load_key_and_certificates((certs / f"{member}-sign.p12").read_bytes(), pin)
    assert isinstance(certificate, x509.Certificate)
    uri = hsm.keep(f"{member}-sign", Identity(key, certificate))  # type: ignore[arg-type]
    (country.folder / "hsm.pin").write_text(PIN)
    path = country.folder / f"{member}-ss1.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["keys"]["signing"] = {
        "token": uri,
        "pin": f"file:{country.folder / 'hsm.pin'}",
        "certificate": str(certs / f"{member}-sign.pem"),
    }
    path.write_text(yaml.safe_dump(settings))


class _CountryWithToken(Country):
    """Its provider signs on the token."""

    def write(self) -> None:
        super().write()
        _move_key(self, softhsm(), "G01")


@pytest_asyncio.fixture(scope="module")
async def service() -> AsyncIterator[Service]:
    async with serving() as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def country(tmp_path_factory: pytest.TempPathFactory, service: Service) -> AsyncIterator[Country]:
    softhsm()
    provided = {"dancu": [{"code": "person", "url": service.url, "rights": [{"to": "GOV/G22/dvc"}]}]}
    servers = [Server("G22", ["dvc"]), Server("G01", ["dancu"], services=provided)]
    async with _CountryWithToken(tmp_path_factory.mktemp("hsm"), servers) as running:
        yield running


async def _one(country: Country, session: aiohttp.ClientSession) -> str:
    headers = {"X-Road-Client": "VN/GOV/G22/dvc", "Accept": "application/json"}
    async with session.get(country.url("G22", "G01/dancu/person/v1/x"), headers=headers) as answer:
        body = await answer.read()
        return "ok" if answer.status == 200 else str(json.loads(body)["type"])


async def _outcomes(country: Country, calls: int) -> Counter[str]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
        return Counter(await asyncio.gather(*(_one(country, session) for _ in range(calls))))


async def test_a_thousand_exchanges_at_once(country: Country) -> None:
    assert await _outcomes(country, _EXCHANGES) == {"ok": _EXCHANGES}


async def test_the_token_is_pulled_and_put_back(country: Country) -> None:
    hsm = softhsm()
    hsm.tokens.rename(away := hsm.folder / "away")
    assert await _outcomes(country, 20) == {"server.serverproxy.token_not_available": 20}
    away.rename(hsm.tokens)
    await asyncio.sleep(1.5)  # it is looked for once a second
    assert await _outcomes(country, 20) == {"ok": 20}
