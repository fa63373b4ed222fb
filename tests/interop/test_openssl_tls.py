"""The openssl command line on port 5500, and what the wire shows of TLS between our own servers."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.country import OCSP_PORT, PEER_PORT, Country, Server, new_network
from tests.support.service import serving
from tests.support.tap import Tap, tapping

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed"),
]

SUITE = "ECDHE-ECDSA-AES256-SHA384"
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nx-hash-algorithm: SHA-512\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Judge:
    """openssl, as `G22-ss1` when it shows a certificate. `G01` has the profile `interop`, `G22` the default, `strict`."""

    country: Country
    tap: Tap

    async def s_client(self, server: str, *options: str, certificate: bool = True) -> tuple[int, str]:
        """Connect, send REQUEST, read until the server closes: exit status, everything said."""
        certs = self.country.folder / "certs"
        shown = ("-cert", str(certs / "G22-ss1-auth.pem"), "-key", str(self.country.folder / "auth.key"))
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_client", "-connect", f"{self.country.address[f'{server}-ss1']}:{PEER_PORT}"),
            *("-CAfile", str(certs / "ca.pem"), "-showcerts", "-ign_eof", *(shown if certificate else ()), *options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(20):
            said, _ = await process.communicate(REQUEST)
        assert process.returncode is not None
        return process.returncode, said.decode(errors="replace")


@pytest_asyncio.fixture(scope="module")
async def judge() -> AsyncIterator[Judge]:
    folder = Path(tempfile.mkdtemp(prefix="tls-"))
    front = f"{new_network()}.1"
    try:
        async with serving() as service:
            echo = {"code": "echo", "url": service.url, "rights": [{"to": "GOV/G22/dvc"}]}
            provider = Server(
                "G01", ["dancu"], services={"dancu": [echo]}, more={"peers": {"tls": "interop"}}, reached_at=front
            )
            async with (
                Country(folder, [Server("G22", ["dvc"]), provider]) as country,
                tapping(front, country.address["G01-ss1"], (PEER_PORT, OCSP_PORT)) as tap,
            ):
                await _key_in_the_clear(country)
                yield Judge(country, tap)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _key_in_the_clear(country: Country) -> None:
    certs = country.folder / "certs"
    process = await asyncio.create_subprocess_exec(
        *("openssl", "pkcs12", "-in", str(certs / "G22-ss1-auth.p12"), "-nocerts", "-nodes"),
        *("-passin", f"file:{certs / 'G22-ss1-auth.pin'}", "-out", str(country.folder / "auth.key")),
    )
    assert await process.wait() == 0


async def test_the_interop_profile_speaks_the_suites_of_x_road_7(judge: Judge) -> None:
    code, said = await judge.s_client("G01", "-tls1_2", "-cipher", SUITE)
    assert code == 0, said
    assert f"Cipher is {SUITE}" in said
    assert "Protocol  : TLSv1.2" in said
    assert "Verify return code: 0 (ok)" in said
    assert "HTTP/1.1 200" in said  # with a SOAP fault about the empty message
    assert "faultcode" in said


@pytest.mark.parametrize("options", [("-tls1_2", "-cipher", SUITE), ("-tls1_2",)], ids=["x-road suite", "any suite"])
async def test_the_strict_profile_refuses_tls_1_2(judge: Judge, options: tuple[str, ...]) -> None:
    code, said = await judge.s_client("G22", *options)
    assert code != 0
    assert "Cipher is (NONE)" in said
    assert "HTTP/1.1" not in said


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "AES256-SHA"])
async def test_the_interop_profile_takes_no_other_old_suite(judge: Judge, suite: str) -> None:
    code, said = await judge.s_client("G01", "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
    assert code != 0
    assert "Cipher is (NONE)" in said


@pytest.mark.parametrize(
    ("server", "version"), [("G01", "-tls1_2"), ("G01", "-tls1_3"), ("G22", "-tls1_3")], ids=lambda x: x
)
async def test_without_a_certificate_nothing_is_served(judge: Judge, server: str, version: str) -> None:
    code, said = await judge.s_client(server, version, certificate=False)
    assert "HTTP/1.1" not in said
    assert code != 0


@pytest.mark.parametrize("server", ["G01", "G22"])
async def test_only_the_certificate_is_shown_without_its_root(judge: Judge, server: str) -> None:
    code, said = await judge.s_client(server)
    assert code == 0, said
    assert "TLSv1.3, Cipher is TLS_" in said
    assert said.count("-----BEGIN CERTIFICATE-----") == 1


async def test_our_own_servers_speak_tls_1_3_with_each_other(judge: Judge) -> None:
    """The provider would also take TLS 1.2; the ServerHello on the wire says what was agreed on."""
    status, _, _ = await judge.country.call("G22", "G01/dancu/echo", client="dvc")
    assert status == 200
    assert judge.tap.versions()
    assert set(judge.tap.versions()) == {0x0304}
