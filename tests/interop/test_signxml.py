"""Signatures that we make, judged by others: signxml, xmlsec1 where it is installed, and a verifier written here from the
specifications alone (lxml, cryptography; nothing of `gateway.core.signing`)."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest
from signxml.exceptions import InvalidSignature as SignxmlInvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier
from signxml.xades.xades import XAdESVerifier

from gateway.core.identifiers import MemberId
from tests.support.pki import Issued, KeyKind, Pki, SignedMessage

pytestmark = pytest.mark.interop
KINDS: tuple[KeyKind, ...] = ("ec", "rsa", "pss")
BODIES: tuple[tuple[bytes, ...], ...] = ((), (b'{"a":1}',), (b"", b"two"))
PART = "GET\r\n/r1/VN/GOV/G01/dancu/ng\u01b0\u1eddi\r\nX-Road-Client:VN/GOV/G02/cổng\r\n".encode()
NS = {
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "xades": "http://uri.etsi.org/01903/v1.3.2#",
    "hc": "http://cyber.ee/hashchain",
}
cases = pytest.mark.parametrize(("key", "bodies"), [(k, b) for k in KINDS for b in BODIES])


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki(ca_name="Cơ quan chứng thực <thử> & nghiệm")


def make(pki: Pki, key: KeyKind, bodies: tuple[bytes, ...]) -> tuple[Issued, SignedMessage, dict[str, bytes]]:
    signer = pki.issue_sign(MemberId("VN", "GOV", "G02"), key)
    message = pki.sign_message(signer, PART, bodies)
    files = {"/message.xml": PART, **{f"/attachment{n}": body for n, body in enumerate(bodies, start=1)}}
    if message.hash_chain_result is not None:
        files["/sig-hashchainresult.xml"] = message.hash_chain_result
    return signer, message, files


def text_of(parent: etree._Element, path: str) -> str:
    (found,) = parent.findall(path, NS)
    return found.text or ""


def verify_by_the_book(signature: bytes, files: dict[str, bytes]) -> x509.Certificate:
    """XML-DSig core validation as the recommendation describes it; asserts, or InvalidSignature."""
    root = etree.fromstring(signature)
    info = root.find(".//ds:SignedInfo", NS)
    assert info is not None
    for reference in info.findall("ds:Reference", NS):
        uri = reference.get("URI") or ""
        if uri.startswith("#"):
            (target,) = (element for element in root.iter() if element.get("Id") == uri[1:])
            data = etree.tostring(target, method="c14n")
        else:
            data = files[uri]
        assert hashlib.sha512(data).digest() == b64decode(text_of(reference, "ds:DigestValue")), uri
    certificate = x509.load_der_x509_certificate(b64decode(text_of(root, ".//ds:X509Certificate")))
    algorithm = info.find("ds:SignatureMethod", NS).get("Algorithm")  # type: ignore[union-attr]
    check_value(
        certificate,
        str(algorithm),
        b64decode(text_of(root, ".//ds:SignatureValue")),
        etree.tostring(info, method="c14n"),
    )
    return certificate


def check_value(certificate: x509.Certificate, algorithm: str, value: bytes, data: bytes) -> None:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert algorithm.endswith("xmldsig-more#ecdsa-sha512")
        half = len(value) // 2
        encoded = encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))
        key.verify(encoded, data, ec.ECDSA(hashes.SHA512()))
        return
    assert isinstance(key, rsa.RSAPublicKey)
    if algorithm.endswith("2007/05/xmldsig-more#sha512-rsa-MGF1"):
        key.verify(value, data, padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())
    else:
        assert algorithm.endswith("xmldsig-more#rsa-sha512")
        key.verify(value, data, padding.PKCS1v15(), hashes.SHA512())


def compute_chain(chain: bytes) -> dict[str, bytes]:
    """Digest of the one step and of each part, as the chain document gives them."""

    def tlv(tag: int, content: bytes) -> bytes:
        n = len(content)
        size = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else bytes([0x82, n >> 8, n & 255])
        return bytes([tag]) + size + content

    (step,) = etree.fromstring(chain).findall("hc:HashStep", NS)
    parts = {ref.get("URI") or "": b64decode(text_of(ref, "ds:DigestValue")) for ref in step.findall("hc:DataRef", NS)}
    uri = b"http://www.w3.org/2001/04/xmlenc#sha512"
    singles = (tlv(0x30, tlv(4, digest) + tlv(12, uri) + tlv(0x30, b"")) for digest in parts.values())
    return {"#STEP0": hashlib.sha512(tlv(0x30, b"".join(singles))).digest(), **parts}


@cases
def test_by_the_book(pki: Pki, key: KeyKind, bodies: tuple[bytes, ...]) -> None:
    signer, message, files = make(pki, key, bodies)
    assert verify_by_the_book(message.signature, files) == signer.certificate
    if message.hash_chain is not None and message.hash_chain_result is not None:
        computed = compute_chain(message.hash_chain)
        result = etree.fromstring(message.hash_chain_result)
        assert result.get("URI") == "/sig-hashchain.xml#STEP0"
        assert b64decode(text_of(result, "ds:DigestValue")) == computed.pop("#STEP0")
        assert computed == {
            name: hashlib.sha512(data).digest() for name, data in files.items() if not name.startswith("/sig-")
        }


def test_the_book_notices() -> None:
    """The judge of the tests above can say no."""
    _, message, files = make(Pki(), "ec", ())
    with pytest.raises(AssertionError):
        verify_by_the_book(message.signature, files | {"/message.xml": b"another"})
    with pytest.raises(InvalidSignature):
        verify_by_the_book(message.signature.replace(b"reference-0", b"reference-2", 1), files)


def configuration(references: int) -> SignatureConfiguration:
    return SignatureConfiguration(
        expect_references=references,
        location=".//",
        signature_methods=frozenset(
            {SignatureMethod.ECDSA_SHA512, SignatureMethod.RSA_SHA512, SignatureMethod.SHA512_RSA_MGF1}
        ),
        digest_algorithms=frozenset({DigestAlgorithm.SHA512}),
    )


@cases
@pytest.mark.parametrize("verifier", [XMLVerifier, XAdESVerifier])
def test_by_signxml(
    pki: Pki, key: KeyKind, bodies: tuple[bytes, ...], verifier: type[XMLVerifier] | type[XAdESVerifier]
) -> None:
    signer, message, files = make(pki, key, bodies)
    verified = verifier().verify(
        message.signature,
        x509_cert=signer.pem.decode(),
        uri_resolver=lambda uri: files[uri],
        expect_config=configuration(2),
    )
    assert isinstance(verified, list)
    assert len(verified) == 2


@pytest.mark.parametrize("bodies", BODIES)
def test_signxml_notices(pki: Pki, bodies: tuple[bytes, ...]) -> None:
    signer, message, files = make(pki, "ec", bodies)
    covered = "/sig-hashchainresult.xml" if bodies else "/message.xml"
    for signature, data, error in (
        (message.signature, files | {covered: b"another"}, InvalidDigest),
        (re.sub(rb"2026-11-24T", rb"2026-11-25T", message.signature), files, InvalidDigest),
        (message.signature.replace(b"reference-0", b"reference-2", 1), files, SignxmlInvalidSignature),
    ):
        with pytest.raises(error):
            XMLVerifier().verify(
                signature,
                x509_cert=signer.pem.decode(),
                uri_resolver=lambda uri, data=data: data[uri],
                expect_config=configuration(2),
            )


def xmlsec1_version() -> tuple[int, ...]:
    said = subprocess.run(["xmlsec1", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(n) for n in re.findall(r"\d+", said)[1:3])  # the first is the 1 of its name


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")
@cases
def test_by_xmlsec1(pki: Pki, key: KeyKind, bodies: tuple[bytes, ...], tmp_path: Path) -> None:
    if key == "pss" and xmlsec1_version() < (1, 3):
        pytest.skip("xmlsec1 knows RSA-PSS from version 1.3 on")
    _, message, files = make(pki, key, bodies)
    (tmp_path / "ca.pem").write_bytes(pki.ca.pem)
    (tmp_path / "signatures.xml").write_bytes(message.signature)
    maps: list[str] = []
    for name, data in files.items():
        (tmp_path / name.lstrip("/")).write_bytes(data)
        maps += [f"--url-map:{name}", str(tmp_path / name.lstrip("/"))]
    command = ["xmlsec1", "--verify", "--trusted-pem", "ca.pem", "--id-attr:Id", "SignedProperties", *maps]
    done = subprocess.run([*command, "signatures.xml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "SignedInfo References (ok/all): 2/2" in done.stdout + done.stderr
