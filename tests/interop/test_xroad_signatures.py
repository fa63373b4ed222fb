"""Signatures and hash chains out of the public X-Road repository, with the results its own tests expect (reference 11.3).

Where we are stricter than X-Road on purpose, the row says so.
"""

from __future__ import annotations

import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.digest import Digest, DigestAlgorithm, sha512
from gateway.core.errors import GatewayError, MalformedMessage
from gateway.core.globalconf.sharedparams import parse_shared_parameters
from gateway.core.identifiers import MemberId
from gateway.core.signing import algorithms
from gateway.core.signing.hashchain import verify_hash_chain, written_digests
from gateway.core.signing.trust import InstanceTrust
from gateway.core.signing.verify import MessageDigests, SignerVerdicts, VerifiedSignature, verify_message
from gateway.core.signing.xades import parse_signature
from tests.support.http_raw import VECTORS

pytestmark = pytest.mark.interop
XROAD = VECTORS / "xroad"
LIVE = VECTORS / "xroad-live"
if not XROAD.is_dir():
    pytest.skip("the X-Road repository's test data are not here", allow_module_level=True)

CLIENT = MemberId("DEV", "COM", "4321")
PROVIDER = MemberId("DEV", "COM", "1234")


def trust_in(directory: Path, version: int) -> InstanceTrust:
    shared = parse_shared_parameters((directory / "DEV/shared-params.xml").read_bytes(), version)
    return InstanceTrust(shared.instance, shared.approved_cas, shared.ocsp_freshness, True, str(directory).encode())


def verify_container(path: Path, trust: InstanceTrust, signer: MemberId) -> VerifiedSignature:
    """At the time of signing. Attachments that the container does not keep are represented by what the chain says."""
    with zipfile.ZipFile(path) as container:
        files = {name: container.read(name) for name in container.namelist()}
    signature, chain = files["META-INF/signatures.xml"], files.get("sig-hashchain.xml")
    written = {} if chain is None else written_digests(chain)
    attachments: list[Digest] = []
    while (name := f"attachment{len(attachments) + 1}") in files or f"/{name}" in written:
        attachments.append(sha512(files[name]) if name in files else written[f"/{name}"])
    return verify_message(
        MessageDigests(sha512(files["message.xml"]), tuple(attachments)),
        signature=signature,
        hash_chain_result=files.get("sig-hashchainresult.xml"),
        hash_chain=chain,
        signer=signer,
        trust=trust,
        at=parse_signature(signature).signing_time + timedelta(seconds=30),
        verdicts=SignerVerdicts(),
    )


@pytest.mark.parametrize(
    "name",
    ["valid-signed-message", "valid-signed-hashchain", "valid-batch-ts", "valid-non-batch-soap-attachments"],
)
def test_valid_containers(name: str) -> None:
    trust = trust_in(XROAD / "asic/globalconf_good2_v3", 3)
    assert verify_container(XROAD / f"asic/{name}.asice", trust, CLIENT).member == CLIENT


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("invalid-digest", "invalid_signature_value"),
        ("invalid-signed-hashchain", "malformed_signature.invalid_hash_chain_ref"),
        ("invalid-not-signed-hashchain", "malformed_signature"),  # stricter: X-Road ignores a chain that is not signed
        ("invalid-incorrect-references", "malformed_signature"),
    ],
)
def test_invalid_containers(name: str, code: str) -> None:
    trust = trust_in(XROAD / "asic/globalconf_good2_v3", 3)
    with pytest.raises(GatewayError) as e:
        verify_container(XROAD / f"asic/{name}.asice", trust, CLIENT)
    assert e.value.code == f"signature_verification.{code}"


@pytest.mark.parametrize(
    ("directory", "path"),
    [(LIVE / "asic/verificationconf", p) for p in sorted((LIVE / "asic").glob("*.asice"))]
    + [(LIVE / "accepted/asic/verificationconf", p) for p in sorted((LIVE / "accepted/asic").glob("*.asice"))],
    ids=lambda p: p.name,
)
def test_containers_that_asicverifier_accepts(directory: Path, path: Path) -> None:
    signer = PROVIDER if "response" in path.name else CLIENT
    assert verify_container(path, trust_in(directory, 6), signer).member == signer


def test_a_container_whose_attachment_was_altered() -> None:
    """Stricter: X-Road's verifier calls it successful, with the attachment "(unverified)"."""
    path = LIVE / "accepted/must-refuse/container-attachment-altered.asice"
    if not path.exists():
        pytest.skip("the captured containers are not here")
    with pytest.raises(GatewayError) as e:
        verify_container(path, trust_in(LIVE / "accepted/asic/verificationconf", 6), CLIENT)
    assert e.value.code == "signature_verification.malformed_signature.invalid_hash_chain"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("empty", "invalid_xml"),
        ("sign-0-malformed-xml", "invalid_xml"),
        ("sign-0-no-signature", "malformed_signature"),
        ("sign-0-no-objectcontainer", "malformed_signature"),
        ("sign-0-no-signing-cert", "malformed_signature"),
        ("sign-0-schema-fail", "malformed_signature"),
        ("extra-certs-missing-cert", "malformed_signature"),
        ("extra-certs-missing-id", "malformed_signature"),
    ],
)
def test_signatures_that_are_none(name: str, code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_signature((XROAD / f"signatures/{name}.xml").read_bytes())
    assert e.value.code == f"signature_verification.{code}"


def test_the_batch_signature_covers_its_chain_result() -> None:
    signature = parse_signature((XROAD / "signatures/batch-sig.xml").read_bytes())
    (reference,) = signature.references
    result = (XROAD / "signatures/hash-chain-result.xml").read_bytes()
    assert reference.uri == "/sig-hashchainresult.xml"
    assert reference.digest.algorithm.of(result) == reference.digest


def test_the_form_of_xroad_8() -> None:
    folder = XROAD / "signatures/non-batch-sig"
    signature = parse_signature((folder / "signatures.xml").read_bytes())
    assert {r.uri: r.digest for r in signature.references} == {
        "/message.xml": sha512((folder / "message.xml").read_bytes()),
        "/attachment1": sha512((folder / "attachment1").read_bytes()),
    }
    assert sha512(signature.signed_properties) == signature.signed_properties_digest
    algorithms.verify(signature.certificate.public_key(), signature.algorithm, signature.value, signature.signed_info)


MESSAGE_1 = "/message.xml"


def chain_of(number: int, name: str) -> bytes:
    return (XROAD / f"hashchain/hc-verifier{number}-{name}.xml").read_bytes()


def test_chain_of_two_steps_in_sha256() -> None:
    message = DigestAlgorithm.SHA256.of(chain_of(1, "message"))
    verify_hash_chain(chain_of(1, "hashchainresult"), chain_of(1, "hashchain"), {MESSAGE_1: message})


@pytest.mark.parametrize(
    ("result", "chain", "inputs", "code"),
    [
        (1, "hashchain", {MESSAGE_1: DigestAlgorithm.SHA256.of(b"another")}, "invalid_hash_chain"),
        (1, "hashchain", {MESSAGE_1: sha512(b"two")}, "invalid_reference"),
        (1, "hashchain", {}, "invalid_reference"),
        (2, "hashchain", {MESSAGE_1: DigestAlgorithm.SHA256.of(b"")}, "malformed_hash_chain"),  # digests of one byte
        (3, "hashchain", {MESSAGE_1: DigestAlgorithm.SHA256.of(b"")}, "malformed_hash_chain"),  # stricter: a transform
        (3, "hashchain-invalid", {MESSAGE_1: DigestAlgorithm.SHA256.of(b"")}, "invalid_hash_chain"),
        (4, "hashchain1", {MESSAGE_1: DigestAlgorithm.SHA256.of(b"two")}, "invalid_reference"),  # another chain file
    ],
)
def test_chains_that_are_refused(result: int, chain: str, inputs: dict[str, Digest], code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        verify_hash_chain(chain_of(result, "hashchainresult"), chain_of(result, chain), inputs)
    assert e.value.code == code


def test_chain_against_the_schema() -> None:
    with pytest.raises(MalformedMessage) as e:
        verify_hash_chain(
            chain_of(1, "hashchainresult"),
            chain_of(5, "hashchain-invalid-schema"),
            {MESSAGE_1: DigestAlgorithm.SHA256.of(b"two")},
        )
    assert e.value.code == "malformed_hash_chain"
