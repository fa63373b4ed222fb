"""Containers that running servers give out (`/asic`), judged by xmlsec1, signxml, openssl and a few independent lines: single and
batch time-stamps, with and without body, request and response, ECDSA and RSA keys. What was altered they refuse, and so do we."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from signxml.exceptions import InvalidDigest
from signxml.verifier import XMLVerifier

from gateway.app.verify.containers import verify_archives, verify_containers
from tests.interop.test_signxml import NS, configuration, text_of, verify_by_the_book
from tests.support.country import CLIENT_PORT, Country, Server
from tests.support.service import Service, serving

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(200),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed"),
]
Files = dict[str, bytes]


def servers(service: Service, folder: Path) -> list[Server]:
    """The consumer stamps in batches and archives, the provider stamps each record by itself."""
    services = {"dancu": [{"code": "echo", "url": service.url, "rights": [{"to": "GOV/G22/dvc"}]}]}
    archive = {"directory": str(folder / "archives"), "every": "1s", "group_by": "member"}
    batches = {"evidence": {"timestamps": {"interval": "1s"}, "archive": archive}}
    singly = {"evidence": {"timestamps": {"interval": "1s", "batch": 1}}}
    return [Server("G22", ["dvc"], more=batches), Server("G01", ["dancu"], services=services, more=singly)]


@asynccontextmanager
async def country(key: str) -> AsyncIterator[Country]:
    folder = Path(tempfile.mkdtemp(prefix="asic-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        async with serving() as service, Country(folder, servers(service, folder), key=key) as started:
            yield started
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def download(country: Country, server: str, client: str, message_id: str, flags: str = "") -> dict[str, bytes]:
    """Containers by name, once they are time-stamped."""
    member = server.partition("-")[0]
    url = f"http://{country.address[f'{server}-ss1']}:{CLIENT_PORT}/asic"
    query = f"xRoadInstance=VN&memberClass=GOV&memberCode={member}&subsystemCode={client}&queryId={message_id}{flags}"
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}?{query}") as answer:
                body = await answer.read()
            if answer.status == 200:
                break
            assert body == b"Message signature has not been timestamped yet!"
            await asyncio.sleep(0.2)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def unpacked(container: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# --- judges; each returns whether it accepts ----------------------------------------------------------------------------


class Judges:
    """`folder`: where files for command lines go; the CA's, OCSP's and TSA's certificates are in it."""

    def __init__(self, country: Country, folder: Path) -> None:
        self.folder = folder
        for name in ("ca.pem", "ocsp.pem", "tsa.pem"):
            shutil.copy(country.cert(name), folder / name)

    def run(self, *command: str) -> bool:
        return subprocess.run(command, cwd=self.folder, capture_output=True, timeout=30, check=False).returncode == 0

    def write(self, files: Files) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def signer(self, files: Files) -> x509.Certificate:
        root = etree.fromstring(files["META-INF/signatures.xml"])
        return x509.load_der_x509_certificate(b64decode(text_of(root, ".//ds:X509Certificate")))

    def xmlsec1(self, files: Files) -> bool:
        self.write(files)
        maps = [x for name in files if "/" not in name for x in (f"--url-map:/{name}", name)]
        return self.run(
            "xmlsec1", "--verify", "--trusted-pem", "ca.pem", "--id-attr:Id", "SignedProperties", *maps,
            "META-INF/signatures.xml",
        )  # fmt: skip

    def signxml(self, files: Files) -> bool:
        try:
            XMLVerifier().verify(
                files["META-INF/signatures.xml"],
                x509_cert=self.signer(files).public_bytes(Encoding.PEM).decode(),
                uri_resolver=lambda uri: files[uri.lstrip("/")],
                expect_config=configuration(2),
            )
        except InvalidDigest:
            return False
        return True

    def timestamp(self, files: Files) -> bool:
        """By `openssl ts`, over what the stamp is over."""
        root = etree.fromstring(files["META-INF/signatures.xml"])
        stamped = files.get("ts-hashchainresult.xml", b64decode(text_of(root, ".//ds:SignatureValue")))
        token = files.get("META-INF/timestamp.tst")
        if token is None:
            token = b64decode(text_of(root, ".//xades:EncapsulatedTimeStamp"))
        self.write({"stamped": stamped, "token": token})
        return self.run(
            "openssl", "ts", "-verify", "-token_in", "-in", "token", "-data", "stamped", "-CAfile", "ca.pem",
            "-untrusted", "tsa.pem",
        )  # fmt: skip

    def status(self, files: Files) -> bool:
        """The OCSP answer in the signature, by `openssl ocsp`."""
        root = etree.fromstring(files["META-INF/signatures.xml"])
        answer = b64decode(text_of(root, ".//xades:EncapsulatedOCSPValue"))
        self.write({"ocsp.der": answer, "signer.pem": self.signer(files).public_bytes(Encoding.PEM)})
        return self.run(
            "openssl", "ocsp", "-respin", "ocsp.der", "-issuer", "ca.pem", "-cert", "signer.pem", "-CAfile", "ca.pem",
            "-VAfile", "ocsp.pem", "-no_nonce",
        )  # fmt: skip

    def chains(self, files: Files) -> bool:
        """Both hash chains, computed anew from the bytes in the container."""
        data = {f"/{name}": content for name, content in files.items()}
        return all(
            _chain_holds(files[f"{kind}-hashchainresult.xml"], files[f"{kind}-hashchain.xml"], data)
            for kind in ("sig", "ts")
            if f"{kind}-hashchain.xml" in files
        )

    def ours(self, files: Files) -> bool:
        path = self.folder / "ours.asice"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return all(verdict.ok for verdict in verify_containers([path], self.folder / "conf.zip"))

    def all(self, files: Files) -> dict[str, bool]:
        judges = [self.signxml, self.timestamp, self.status, self.chains, self.ours]
        if shutil.which("xmlsec1") is not None:
            judges.append(self.xmlsec1)
        return {judge.__name__: judge(files) for judge in judges}


def _chain_holds(result: bytes, chain: bytes, data: Files) -> bool:
    """Recomputed from the root down, of the specification alone; every leaf is the digest of what is here."""
    steps = {step.get("id") or "": step for step in etree.fromstring(chain).findall("hc:HashStep", NS)}
    root = etree.fromstring(result)
    expected = b64decode(text_of(root, "ds:DigestValue"))
    return _step(steps, (root.get("URI") or "").partition("#")[2], data) == expected


def _step(steps: dict[str, etree._Element], name: str, data: Files) -> bytes:
    pieces = []
    for value in steps[name]:
        uri = value.get("URI")
        match etree.QName(value).localname:
            case "StepRef":
                digest = _step(steps, (uri or "").partition("#")[2], data)
            case "DataRef":
                digest = hashlib.sha512(data[uri or ""]).digest()
            case _:
                digest = b64decode(text_of(value, "ds:DigestValue"))
        pieces.append(
            _tlv(0x30, _tlv(0x04, digest) + _tlv(0x0C, b"http://www.w3.org/2001/04/xmlenc#sha512") + b"\x30\x00")
        )
    return hashlib.sha512(_tlv(0x30, b"".join(pieces))).digest()


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


# --- what was altered, and who must notice -------------------------------------------------------------------------------


def alterations(files: Files) -> Iterator[tuple[Files, str]]:
    """(altered container, judge)"""

    def changed(name: str, at: int = -3) -> Files:
        content = bytearray(files[name])
        content[at] = ord("B" if content[at] == ord("A") else "A")  # stays base64 where it is
        return {**files, name: bytes(content)}

    covered = "sig-hashchainresult.xml" if "sig-hashchain.xml" in files else "message.xml"
    yield changed(covered), "xmlsec1"
    yield changed(covered), "signxml"
    yield changed("message.xml"), "ours"
    if "attachment1" in files:
        yield changed("attachment1"), "chains"
        yield changed("attachment1"), "ours"
    if "ts-hashchain.xml" in files:
        yield (
            changed("META-INF/signatures.xml", files["META-INF/signatures.xml"].index(b"EncapsulatedOCSPValue") + 99),
            "chains",
        )
        yield changed("ts-hashchainresult.xml"), "timestamp"
        yield changed("ts-hashchainresult.xml"), "ours"
    else:
        value = files["META-INF/signatures.xml"].index(b"<ds:SignatureValue") + 60
        yield changed("META-INF/signatures.xml", value), "timestamp"
        yield changed("META-INF/signatures.xml", value), "xmlsec1"
        yield changed("META-INF/signatures.xml", value), "ours"
    ocsp = (
        files["META-INF/signatures.xml"].index(b"</xades:EncapsulatedOCSPValue>") - 400
    )  # in the certificate or signature
    yield changed("META-INF/signatures.xml", ocsp), "ours"


COMBINATIONS = {
    (kind, body, batch) for kind in ("request", "response") for body in (True, False) for batch in (True, False)
}


async def exchange(country: Country, message_id: str) -> None:
    """`bodied-n`: with body in both directions; `bare-n`: without."""
    bodied = message_id.startswith("bodied")
    status, *_ = await country.call(
        "G22",
        "G01/dancu/echo/" + ("mirror" if bodied else "empty"),
        client="dvc",
        method="POST" if bodied else "GET",
        headers={"X-Road-Id": message_id},
        data=b'{"name": "Nguyen"}' if bodied else None,
    )
    assert status == (200 if bodied else 204)


@pytest.mark.parametrize("key", ["ec-p256", "rsa-2048"])
async def test_containers_from_running_servers(key: str, tmp_path: Path) -> None:
    together = [f"{form}-{n}" for form in ("bodied", "bare") for n in range(4)]
    alone = ["bodied-alone", "bare-alone"]  # a commit each, and so a time-stamp each where batches are of one
    message_ids = [*together, *alone]
    async with country(key) as running:
        await asyncio.gather(*(exchange(running, message_id) for message_id in together))
        for message_id in alone:
            await exchange(running, message_id)
        judges = Judges(running, tmp_path)
        async with aiohttp.ClientSession() as session:
            url = f"http://{running.address['G22-ss1']}:{CLIENT_PORT}/verificationconf"
            async with session.get(url) as answer:
                (tmp_path / "conf.zip").write_bytes(await answer.read())
        seen: set[tuple[str, bool, bool]] = set()
        for server, client in (("G22", "dvc"), ("G01", "dancu")):
            for message_id in message_ids:
                containers = await download(running, server, client, message_id)
                assert len(containers) == 2
                for name, container in containers.items():
                    kind = "request" if "-request-" in name else "response"
                    files = unpacked(container)
                    combination = (kind, "attachment1" in files, "ts-hashchain.xml" in files)
                    if combination not in seen:
                        judge_container(judges, files, name)
                    seen.add(combination)
        assert seen == COMBINATIONS
        await _archives_verify(running, tmp_path / "conf.zip", 2 * len(message_ids))


def judge_container(judges: Judges, files: Files, name: str) -> None:
    assert set(judges.all(files).values()) == {True}, (name, judges.all(files))
    verify_by_the_book(files["META-INF/signatures.xml"], {f"/{n}": c for n, c in files.items()})
    for altered, judge in alterations(files):
        if judge != "xmlsec1" or shutil.which("xmlsec1") is not None:
            assert not getattr(judges, judge)(altered), (name, judge)


async def _archives_verify(running: Country, conf: Path, records: int) -> None:
    """The consumer's archiver has put all its records into a chain by now, or will in a moment."""
    archives = running.folder / "archives"
    while True:
        verdicts = (
            verify_archives([archives], conf, None, from_any=False) if await asyncio.to_thread(archives.is_dir) else []
        )
        if sum(verdict.facts["containers"] for verdict in verdicts) == records:
            break
        await asyncio.sleep(0.2)
    assert [step.what for verdict in verdicts for step in verdict.steps if not step.ok] == []
