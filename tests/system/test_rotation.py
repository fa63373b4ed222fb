"""Keys are renewed while calls go on: none is lost, and the new certificate is the one that is seen afterwards."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from gateway.core.identifiers import MemberId, SecurityServerId
from gateway.core.signing.certificates import auth_certificate_subject, der, sign_certificate_subject
from gateway.core.signing.profiles import EJBCA
from gateway.messagelog import frames
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.verification import verify_message
from gateway.trust.authority import Authority, Identity, create_tls, named, validity
from gateway.trust.status import CertificateIndex
from tests.support.country import ADMIN_PORT, PEER_PORT, TLS_PORT, Country, Server
from tests.support.service import Service, serving

pytestmark = pytest.mark.slow

_MEMBER = {name: MemberId("VN", "GOV", name) for name in ("G01", "G22")}
_SERVER = {name: SecurityServerId("VN", "GOV", name, "ss1") for name in _MEMBER}


@pytest_asyncio.fixture(scope="module")
async def service() -> AsyncIterator[Service]:
    async with serving() as running:
        yield running


@pytest_asyncio.fixture(scope="module")
async def country(tmp_path_factory: pytest.TempPathFactory, service: Service) -> AsyncIterator[Country]:
    provided = {"dancu": [{"code": "person", "url": service.url, "rights": [{"to": "GOV/G22/dvc"}]}]}
    stamps = {"evidence": {"timestamps": {"interval": "1s"}}}
    servers = [Server("G22", ["dvc"], more=stamps), Server("G01", ["dancu"], services=provided, more=stamps)]
    async with _Quick(tmp_path_factory.mktemp("rotation"), servers) as running:
        yield running


class _Quick(Country):
    """Looks at its keys every half second, and waits two seconds after a registration."""

    def write_server(self, s: Server) -> None:
        super().write_server(s)
        _edit(self, s.name, lambda settings: settings["keys"].update(reload="500ms", settle="2s"))


def _edit(country: Country, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a settings file as a careful editor does: another file, then a rename."""
    path = country.folder / f"{name}.yaml"
    settings = yaml.safe_load(path.read_text())
    change(settings)
    new = path.with_suffix(".new")
    new.write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))
    new.replace(path)


def _issue(country: Country, kind: str, member: str) -> tuple[Identity, dict[str, str]]:
    """A new identity of the country's CA, in files; what a settings file says of them."""
    certs = country.folder / "certs"
    key = load_pem_private_key((certs / "ca.key").read_bytes(), None)
    root = Identity(key, x509.load_pem_x509_certificate((certs / "ca.pem").read_bytes()))  # type: ignore[arg-type]
    authority, during = (
        Authority(root, CertificateIndex(certs / "index.json").record),
        validity(datetime.now(UTC), years=1),
    )
    if kind == "tsa":
        identity = authority.issue_time_stamper(named("New TSA"), during)
    elif kind == "sign":
        subject = sign_certificate_subject(EJBCA, member=_MEMBER[member], server=_SERVER[member])
        identity = authority.issue_signing(subject, during)
    else:
        identity = authority.issue_authentication(auth_certificate_subject(EJBCA, server=_SERVER[member]), during)
    return identity, _write(certs / f"{member}-{kind}-new", identity)


async def _keys(country: Country, verb: str, *arguments: str) -> str:
    """What `gateway keys VERB` says about G01's server."""
    config = str(country.folder / "G01-ss1.yaml")
    return await _gateway("keys", verb, "--config", config, *arguments)


async def _gateway(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


def _read(path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def _write(stem: Path, identity: Identity) -> dict[str, str]:
    key, certificate = stem.with_suffix(".key"), stem.with_suffix(".pem")
    key.write_bytes(identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    return {"key": f"file:{key}", "certificate": str(certificate)}


@dataclass
class Load:
    """Calls that go on while keys change; every one must succeed."""

    done: int = 0
    failed: list[str] = field(default_factory=list)


@asynccontextmanager
async def load(country: Country, workers: int = 4) -> AsyncIterator[Load]:
    result, stop = Load(), asyncio.Event()
    headers = {"X-Road-Client": "VN/GOV/G22/dvc", "Accept": "application/json"}

    async def work(session: aiohttp.ClientSession) -> None:
        while not stop.is_set():
            async with session.get(country.url("G22", "G01/dancu/person/v1/x"), headers=headers) as answer:
                body = await answer.text()
                if answer.status != 200:
                    result.failed.append(body)
            result.done += 1
            await asyncio.sleep(0.01)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        for _ in range(workers):
            tasks.create_task(work(session))
        yield result
        await asyncio.sleep(0.5)
        stop.set()
    assert result.failed == []
    assert result.done


async def _until(true: Callable[[], Any], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.1)


async def _last_signature(country: Country, server: str, kind: str) -> bytes:
    """Of the last message of this kind that this server recorded."""
    assert country.postgres is not None
    connection = await asyncpg.connect(**country.postgres.dsn_kwargs(server))
    try:
        query = f"SELECT {frames.COLUMNS} FROM message_record AS r WHERE kind = $1 ORDER BY number DESC LIMIT 1"  # noqa: S608
        row = await connection.fetchrow(query, kind)
        return b"" if row is None else frames.signature_of(row)
    finally:
        await connection.close()


async def _shown_at(host: str, port: int, country: Country) -> bytes:
    """The certificate that a TLS server shows (DER)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certs = country.folder / "certs"
    if port == PEER_PORT:
        pair = _write(certs / "probe", Identity(*_probe(certs)))
        context.load_cert_chain(pair["certificate"], pair["key"].removeprefix("file:"))
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return bytes(shown)
    finally:
        writer.close()


def _probe(certs: Path) -> tuple[Any, x509.Certificate]:
    """G22's first authentication key."""
    pin = (certs / "G22-ss1-auth.pin").read_bytes().strip()
    key, certificate, _ = pkcs12.load_key_and_certificates((certs / "G22-ss1-auth.p12").read_bytes(), pin)
    assert certificate is not None
    return key, certificate


@pytest.mark.parametrize("member", ["G01", "G22"])
async def test_signing(country: Country, member: str) -> None:
    identity, files = _issue(country, "sign", member)
    async with load(country):
        _edit(country, f"{member}-ss1", lambda s: s["keys"].update(signing=[files, s["keys"]["signing"]]))

        seen_by = ("g22_ss1", "response") if member == "G01" else ("g01_ss1", "request")

        async def used() -> bool:
            return b64encode(der(identity.certificate)) in await _last_signature(country, *seen_by)

        await _until(used)
        _edit(country, f"{member}-ss1", lambda s: s["keys"].update(signing=files))
        await asyncio.sleep(1.5)


@pytest.mark.parametrize("member", ["G22", "G01"])
async def test_authentication(country: Country, member: str) -> None:
    """The registry learns of the new certificate beside the old one; the server changes over by itself."""
    identity, files = _issue(country, "auth", member)

    def registered(certificates: list[str]) -> Callable[[dict[str, Any]], None]:
        def change(settings: dict[str, Any]) -> None:
            (server,) = (s for s in settings["security_servers"] if s["id"] == f"GOV/{member}/ss1")
            server["auth_certs"] = certificates

        return change

    old = str(country.folder / "certs" / f"{member}-ss1-auth.pem")
    async with load(country):
        _edit(country, f"{member}-ss1", lambda s: s["keys"].update(authentication=[files, s["keys"]["authentication"]]))
        _edit(country, "registry", registered([old, files["certificate"]]))

        async def shown() -> bool:
            seen = await _shown_at(country.address[f"{member}-ss1"], PEER_PORT, country)
            return seen == der(identity.certificate)

        await _until(shown)
        await asyncio.sleep(1)
        _edit(country, f"{member}-ss1", lambda s: s["keys"].update(authentication=files))
        await asyncio.sleep(1)
        _edit(country, "registry", registered([files["certificate"]]))
        await asyncio.sleep(3)


@pytest.mark.parametrize("use", ["sign", "auth"])
async def test_from_the_request_to_the_switch(country: Country, use: str) -> None:
    """As an operator does it: request, the authority's answer, import, the line it prints, for `auth` the registry."""
    folder, trust = country.folder / f"new-{use}", str(country.folder / "trust.yaml")
    section = {"sign": "signing", "auth": "authentication"}[use]
    async with load(country):
        request = (await _keys(country, "request", "--for", use, "--folder", str(folder))).partition(": ")[0]
        await _gateway("issue", request, "--for", use, "--config", trust, "--out", str(folder / "by-mail.crt"))
        said = await _keys(country, "import", str(folder / "by-mail.crt"), "--folder", str(folder))
        (line,) = (line.removeprefix("  - ") for line in said.splitlines() if line.startswith("  - "))
        new = yaml.safe_load(line)
        certificate = der(_read(new["certificate"]))

        def above(settings: dict[str, Any]) -> None:
            settings["keys"][section] = [new, settings["keys"][section]]

        def register(settings: dict[str, Any]) -> None:
            (server,) = (s for s in settings["security_servers"] if s["id"] == "GOV/G01/ss1")
            server["auth_certs"].append(new["certificate"])

        _edit(country, "G01-ss1", above)
        if use == "auth":
            _edit(country, "registry", register)

        async def switched() -> bool:
            if use == "sign":
                return b64encode(certificate) in await _last_signature(country, "g22_ss1", "response")
            return await _shown_at(country.address["G01-ss1"], PEER_PORT, country) == certificate

        await _until(switched)
        seen = [key for key in json.loads(await _keys(country, "list", "--json")) if key["use"] == use]
        assert [(key["ocsp"], key["active"]) for key in seen] == [("good", True), ("good", False)]
        assert {key["registered"] for key in seen} == {None if use == "sign" else True}
        await asyncio.sleep(1)
        _edit(country, "G01-ss1", lambda s: s["keys"].update({section: new}))
        await asyncio.sleep(1)


async def _stamped_by(country: Country, server: str, message_id: str) -> set[str]:
    """The authorities that stamped this message's records, each verified; waits until all are stamped."""
    async with country.log_of(server) as pool:
        reader = MessageLogReader(pool)

        async def all_stamped() -> bool:
            reports = await verify_message(reader, message_id)
            return bool(reports) and all("by '" in report.steps[-1].what for report in reports)

        await _until(all_stamped)
        reports = await verify_message(reader, message_id)
        assert all(report.ok for report in reports), reports
        return {report.steps[-1].what.partition("by '")[2].partition("'")[0] for report in reports}


async def test_time_stamping_authority(country: Country) -> None:
    """The registry lists the new certificate beside the old one before the authority changes; every record stays verifiable."""
    _, files = _issue(country, "tsa", "G01")
    old = {"name": "Old TSA", "certificate": country.cert("tsa.pem"), "url": f"http://{country.trust}/tsa"}
    new = {**old, "name": "New TSA", "certificate": files["certificate"]}

    def listed(*authorities: dict[str, str]) -> Callable[[dict[str, Any]], None]:
        return lambda settings: settings["trust"].update(time_stamping_authorities=list(authorities))

    async def call(message_id: str) -> None:
        status, _, _ = await country.call(
            "G22", "G01/dancu/person/v1/x", client="dvc", headers={"X-Road-Id": message_id}
        )
        assert status == 200

    async with load(country, workers=2):
        _edit(country, "registry", listed(old, new))
        await asyncio.sleep(4)
        await call("before")
        assert await _stamped_by(country, "G22", "before") == {"Old TSA"}
        _edit(country, "trust", lambda s: s["tsa"].update(files))
        await country.crash("trust")
        await country.start_again("trust")
        await call("after")
        for server in ("G22", "G01"):
            assert await _stamped_by(country, server, "after") == {"New TSA"}
            assert await _stamped_by(country, server, "before") == {"Old TSA"}
        _edit(country, "registry", listed(new))
        await asyncio.sleep(4)
        await call("later")
        for server in ("G22", "G01"):
            assert await _stamped_by(country, server, "later") == {"New TSA"}
            assert await _stamped_by(country, server, "before") == {"Old TSA"}


async def test_internal_tls_in_place(country: Country) -> None:
    """Renewed by writing the same files anew."""
    address = country.address["G22-ss1"]
    before = await _shown_at(address, TLS_PORT, country)
    identity = create_tls(named(address), validity(datetime.now(UTC), years=1), addresses=[address])
    async with load(country):
        _write(country.folder / "certs" / "G22-ss1-tls", identity)

        async def shown() -> bool:
            return await _shown_at(address, TLS_PORT, country) == der(identity.certificate)

        await _until(shown)
    assert before != der(identity.certificate)


async def test_a_wrong_key_changes_nothing_and_health_says_so(country: Country) -> None:
    path = country.folder / "G01-ss1.yaml"
    good = path.read_text()
    stray, _ = _issue(country, "sign", "G01")
    other = _write(country.folder / "certs" / "stray", stray)
    (country.folder / "certs" / "stray.pem").write_bytes((country.folder / "certs" / "ca.pem").read_bytes())
    async with load(country), aiohttp.ClientSession() as session:

        async def complains() -> bool:
            url = f"http://{country.address['G01-ss1']}:{ADMIN_PORT}/health"
            async with session.get(url) as answer:
                return "Changed keys are not in use" in await answer.text()

        _edit(country, "G01-ss1", lambda s: s["keys"].update(signing=other))
        await _until(complains)
        path.write_text(good)

        async def content() -> bool:
            return not await complains()

        await _until(content)
