"""Time-stamps made by others: tokens of the public X-Road repository and of containers that X-Road's verifier accepts."""

from __future__ import annotations

import re
import zipfile
from base64 import b64decode
from pathlib import Path

import pytest

from gateway.core.digest import Digest, sha512
from gateway.core.errors import TimestampRejected
from gateway.core.globalconf.sharedparams import parse_shared_parameters
from gateway.core.signing.hashchain import written_digests
from gateway.core.signing.hashchainform import Sibling
from gateway.core.signing.timestamp import VerifiedTimestamp, verify_batch_timestamp, verify_timestamp
from gateway.core.signing.timestampbatch import CHAIN_FILE, SIGNATURE, batch_chain
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.xades import parse_signature
from gateway.core.signing.xadestimestamp import with_timestamp
from tests.support.http_raw import VECTORS

pytestmark = pytest.mark.interop
XROAD = VECTORS / "xroad"
LIVE = VECTORS / "xroad-live"
if not XROAD.is_dir():
    pytest.skip("the X-Road repository's test data are not here", allow_module_level=True)

GOOD2 = XROAD / "asic/globalconf_good2_v3"
CONTAINERS = [
    *[(GOOD2, 3, XROAD / f"asic/valid-{n}.asice") for n in ("signed-message", "signed-hashchain", "batch-ts")],
    (GOOD2, 3, XROAD / "asic/valid-non-batch-soap-attachments.asice"),
    *[(LIVE / "asic/verificationconf", 6, p) for p in sorted((LIVE / "asic").glob("*.asice"))],
    *[(LIVE / "accepted/asic/verificationconf", 6, p) for p in sorted((LIVE / "accepted/asic").glob("*.asice"))],
]


def tsas_in(directory: Path, version: int) -> tuple[ApprovedTsa, ...]:
    return parse_shared_parameters((directory / "DEV/shared-params.xml").read_bytes(), version).approved_tsas


def files_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as container:
        return {name: container.read(name) for name in container.namelist()}


def verify(files: dict[str, bytes], tsas: tuple[ApprovedTsa, ...]) -> VerifiedTimestamp:
    signature, token = files["META-INF/signatures.xml"], files.get("META-INF/timestamp.tst")
    parsed = parse_signature(signature)
    if token is None:
        return verify_timestamp(parsed.timestamps[0], parsed.value, tsas)
    if "ts-hashchain.xml" not in files:
        return verify_timestamp(token, parsed.value, tsas)
    return verify_batch_timestamp(token, files["ts-hashchainresult.xml"], files["ts-hashchain.xml"], signature, tsas)


@pytest.mark.parametrize(("conf", "version", "path"), CONTAINERS, ids=lambda p: p.name if isinstance(p, Path) else "")
def test_valid_containers(conf: Path, version: int, path: Path) -> None:
    files = files_of(path)
    verified = verify(files, tsas_in(conf, version))
    assert verified.time.year in (2024, 2025, 2026)
    assert verified.time >= parse_signature(files["META-INF/signatures.xml"]).signing_time.replace(microsecond=0)


@pytest.mark.parametrize("name", ["invalid-ts-hashchainresult", "invalid-incorrect-references"])
def test_invalid_containers(name: str) -> None:
    with pytest.raises(TimestampRejected) as e:
        verify(files_of(XROAD / f"asic/{name}.asice"), tsas_in(GOOD2, 3))
    assert e.value.code == "malformed_signature"


@pytest.mark.parametrize(
    ("name", "lefts"), [("valid-batch-ts", [False]), ("valid-non-batch-soap-attachments", [True, True])]
)
def test_our_chain_is_laid_out_as_xroads(name: str, lefts: list[bool]) -> None:
    files = files_of(XROAD / f"asic/{name}.asice")
    theirs = files["ts-hashchain.xml"]
    own = written_digests(theirs, CHAIN_FILE)[SIGNATURE]
    written = [Digest(own.algorithm, b64decode(v)) for v in re.findall(rb"<DigestValue>(.*)</DigestValue>", theirs)]
    path = [Sibling(left, digest) for left, digest in zip(lefts, [d for d in written if d != own], strict=True)]
    assert batch_chain(sha512(files["META-INF/signatures.xml"]), path) == theirs


def test_a_token_in_a_signature_is_where_xroad_puts_it() -> None:
    """Taken out and put in again, it stands where it stood."""
    for _, _, path in CONTAINERS:
        signature = files_of(path)["META-INF/signatures.xml"]
        start, end = signature.find(b"<xades:SignatureTimeStamp>"), signature.find(b"</xades:SignatureTimeStamp>")
        if start > 0 and b"\n" not in signature[start:end]:
            without = signature[:start] + signature[end + len(b"</xades:SignatureTimeStamp>") :]
            assert with_timestamp(without, parse_signature(signature).timestamps[0]) == signature


def test_tokens_of_2012() -> None:
    """BER, SHA-256, and a key of 1024 bits, which was long enough then."""
    tsas = parse_shared_parameters(
        (XROAD / "globalconf/globalconf_good_v6/EE/shared-params.xml").read_bytes(), 6
    ).approved_tsas
    data = (XROAD / "timestamps/stamped-data").read_bytes()
    assert verify_timestamp((XROAD / "timestamps/valid").read_bytes(), data, tsas).time.year == 2012
    for token, stamped in (("valid", data + b"."), ("invalid-signature", data)):
        with pytest.raises(TimestampRejected):
            verify_timestamp((XROAD / f"timestamps/{token}").read_bytes(), stamped, tsas)
