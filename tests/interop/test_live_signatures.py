"""Every message of real X-Road 7.8.1 servers verifies at the time of its capture; no altered byte does.

Certificates and OCSP answers of the TLS peers are verified as well. What X-Road accepts and must not be is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from cryptography import x509

from gateway.core.digest import sha512
from gateway.core.errors import CertificateStatusUnknown, GatewayError
from gateway.core.framing.transport import (
    AttachmentBegin,
    AttachmentData,
    Direction,
    MessageKind,
    TransportDecoder,
    parse_boundary,
)
from gateway.core.globalconf.sharedparams import parse_shared_parameters
from gateway.core.identifiers import ClientId
from gateway.core.messages.rest import parse_request, parse_response
from gateway.core.messages.soap import parse_soap
from gateway.core.signing.certificates import der
from gateway.core.signing.trust import InstanceTrust
from gateway.core.signing.verify import (
    MessageDigests,
    SignerVerdicts,
    VerifiedSignature,
    verify_auth_certificate,
    verify_message,
)
from gateway.core.signing.xades import parse_signature
from tests.support.http_raw import VECTORS, parse_http

pytestmark = pytest.mark.interop
LIVE = VECTORS / "xroad-live"
if not LIVE.is_dir():
    pytest.skip("the captured messages are not here", allow_module_level=True)

SHARED_PARAMS = {
    "wire": LIVE / "asic/verificationconf/DEV/shared-params.xml",
    "accepted": LIVE / "accepted/asic/verificationconf/DEV/shared-params.xml",
}


@dataclass(frozen=True, slots=True)
class Message:
    part: bytes
    attachments: tuple[bytes, ...]
    hash_chain_result: bytes | None
    hash_chain: bytes | None
    signature: bytes
    ocsp: tuple[bytes, ...]
    signer: ClientId


@lru_cache(maxsize=2)
def trust_of(conf: str) -> InstanceTrust:
    shared = parse_shared_parameters(SHARED_PARAMS[conf].read_bytes(), 6)
    return InstanceTrust(
        instance=shared.instance,
        approved_cas=shared.approved_cas,
        ocsp_freshness=shared.ocsp_freshness,
        verify_next_update=True,
        fingerprint=conf.encode(),
    )


def conf_of(path: Path) -> str:
    return "accepted" if "accepted" in path.parts else "wire"


def read_message(path: Path) -> Message | None:
    """None for a fault."""
    is_request = path.name.endswith("request.bin")
    http = parse_http(path.read_bytes())
    if http.headers["content-type"].startswith("text/xml"):
        return None
    decoder = TransportDecoder(
        parse_boundary(http.headers["content-type"]), Direction.REQUEST if is_request else Direction.RESPONSE
    )
    attachments: list[bytes] = []
    for piece in http.pieces:
        for event in decoder.feed(piece):
            if isinstance(event, AttachmentBegin):
                attachments.append(b"")
            elif isinstance(event, AttachmentData):
                attachments[-1] += event.data
    message = decoder.close()
    if message.kind is MessageKind.FAULT:
        return None
    assert message.signature is not None
    signer: ClientId
    if message.kind is MessageKind.SOAP:
        soap = parse_soap(message.part)
        signer = soap.client if is_request else soap.service.client
    elif is_request:
        signer = parse_request(message.part).client
    else:
        signer = parse_response(message.part).service.client
    return Message(
        message.part,
        tuple(attachments),
        message.hash_chain_result,
        message.hash_chain,
        message.signature,
        message.ocsp,
        signer,
    )


def verify(message: Message, conf: str, at: datetime, verdicts: SignerVerdicts | None = None) -> VerifiedSignature:
    return verify_message(
        MessageDigests(sha512(message.part), tuple(sha512(a) for a in message.attachments)),
        signature=message.signature,
        hash_chain_result=message.hash_chain_result,
        hash_chain=message.hash_chain,
        signer=message.signer,
        trust=trust_of(conf),
        at=at,
        verdicts=verdicts or SignerVerdicts(),
    )


def captures() -> list[Path]:
    folders = ("wire", "accepted/to-provider", "accepted/to-consumer", "accepted/real-batch")
    return [p for folder in folders for p in sorted((LIVE / folder).glob("*.bin"))]


def signed() -> Iterator[tuple[Path, Message]]:
    for path in captures():
        message = read_message(path)
        if message is not None:
            yield path, message


SIGNED = dict(signed())
_BELOW = "signature_verification."


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def captured_at(message: Message) -> datetime:
    return parse_signature(message.signature).signing_time


def test_there_is_something_to_verify() -> None:
    assert len(SIGNED) > 80
    assert sum(m.hash_chain is not None for m in SIGNED.values()) > 20


@pytest.mark.parametrize("path", SIGNED, ids=name_of)
def test_verifies_at_the_time_of_capture(path: Path) -> None:
    message = SIGNED[path]
    at = captured_at(message)
    verified = verify(message, conf_of(path), at)
    assert verified.member == message.signer.member
    assert verified.signing_time == at
    assert at < verified.valid_until <= at + timedelta(days=1)


@pytest.mark.parametrize("path", SIGNED, ids=name_of)
def test_altered_bytes_are_refused(path: Path) -> None:
    """A sample of positions in each part, each byte changed in a way that often keeps XML and base64 well-formed."""
    message = SIGNED[path]
    verdicts = SignerVerdicts()
    at = captured_at(message)
    verify(message, conf_of(path), at, verdicts)
    accepted = [a for a in alterations(message, 40) if is_accepted(altered(message, *a), conf_of(path), at, verdicts)]
    assert accepted == []


REPRESENTATIVE = (
    "wire/01-request",
    "wire/02-request",
    "wire/02-response",
    "wire/04-request",
    "to-provider/ecsign-ecauth-get-request",
    "to-consumer/rsa-post-direct-references-request",
    "real-batch/consumer-request-5steps-request",
)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_every_altered_byte_is_refused(name: str) -> None:
    path, message = next((p, m) for p, m in SIGNED.items() if name_of(p) == name)
    at = captured_at(message)
    accepted = [
        a for a in alterations(message, None) if is_accepted(altered(message, *a), conf_of(path), at, SignerVerdicts())
    ]
    assert accepted == []


def parts_of(message: Message) -> dict[str, bytes]:
    parts = {name: getattr(message, name) for name in ("part", "hash_chain_result", "hash_chain", "signature")}
    parts |= {f"attachment {n}": data for n, data in enumerate(message.attachments)}
    return {name: data for name, data in parts.items() if data}


def alterations(message: Message, positions: int | None) -> Iterator[tuple[str, int, int]]:
    """(part, position, what its byte becomes by exclusive or)"""
    for name, data in parts_of(message).items():
        step = 1 if positions is None else max(1, len(data) // max(8, positions * len(data) // 12000))
        for number, position in enumerate(range(0, len(data), step)):
            yield name, position, (0x01, 0x20, 0xFF, 0x02)[number % 4]


def altered(message: Message, name: str, position: int, flip: int) -> Message:
    data = bytearray(parts_of(message)[name])
    data[position] ^= flip
    if name.startswith("attachment"):
        number = int(name.split()[1])
        return replace(
            message, attachments=(*message.attachments[:number], bytes(data), *message.attachments[number + 1 :])
        )
    return replace(message, **{name: bytes(data)})  # type: ignore[arg-type]  # all four are bytes


def is_accepted(message: Message, conf: str, at: datetime, verdicts: SignerVerdicts) -> bool:
    """A refusal counts only below `signature_verification`."""
    try:
        verify(message, conf, at, verdicts)
    except GatewayError as e:
        return not e.code.startswith(_BELOW)
    return True


WITH_BODY = [p for p, m in SIGNED.items() if m.attachments]
CHAINED = [p for p, m in SIGNED.items() if m.hash_chain is not None]


@pytest.mark.parametrize("path", WITH_BODY, ids=name_of)
def test_a_body_cannot_be_dropped_or_added(path: Path) -> None:
    message = SIGNED[path]
    dropped = replace(message, attachments=message.attachments[1:])
    added = replace(message, attachments=(*message.attachments, b"more"))
    directly = message.hash_chain is None
    for wrong, code in (
        (dropped, "malformed_signature" if directly else "malformed_signature.invalid_reference"),
        (added, "malformed_signature" if directly else "malformed_signature.hashchain_unused_inputs"),
    ):
        with pytest.raises(GatewayError) as e:
            verify(wrong, conf_of(path), captured_at(message))
        assert e.value.code == _BELOW + code


@pytest.mark.parametrize("path", CHAINED, ids=name_of)
def test_a_chain_cannot_be_left_out(path: Path) -> None:
    message = SIGNED[path]
    with pytest.raises(GatewayError) as e:
        verify(replace(message, hash_chain=None, hash_chain_result=None), conf_of(path), captured_at(message))
    assert e.value.code == "signature_verification.malformed_signature"


@pytest.mark.parametrize("path", SIGNED, ids=name_of)
def test_is_refused_outside_its_time(path: Path) -> None:
    message = SIGNED[path]
    for wrong in (timedelta(days=1, minutes=1), timedelta(minutes=-20)):
        with pytest.raises(GatewayError) as e:
            verify(message, conf_of(path), captured_at(message) + wrong)
        assert e.value.code.startswith("signature_verification.invalid_cert_path.")


def test_one_signer_cannot_pass_for_another() -> None:
    message = SIGNED[LIVE / "wire/02-request.bin"]
    other = SIGNED[LIVE / "wire/02-response.bin"]
    with pytest.raises(GatewayError) as e:
        verify(replace(message, signer=other.signer), "wire", captured_at(message))
    assert e.value.code == "signature_verification.incorrect_certificate"


def test_another_authority_of_the_same_name_is_not_trusted() -> None:
    message = SIGNED[LIVE / "wire/02-request.bin"]
    with pytest.raises(GatewayError) as e:
        verify(message, "accepted", captured_at(message))
    assert e.value.code == "signature_verification.cannot_create_cert_path"


def test_an_answer_whose_body_no_signature_covers_is_refused() -> None:
    path = LIVE / "accepted/must-refuse/answer-body-not-covered-response.bin"
    message = read_message(path)
    assert message is not None
    with pytest.raises(GatewayError) as e:
        verify(message, "accepted", captured_at(message))
    assert e.value.code == "signature_verification.malformed_signature"
    covered = replace(message, attachments=())
    assert verify(covered, "accepted", captured_at(message)).member == message.signer.member


REQUESTS = [p for p, m in SIGNED.items() if p.name.endswith("request.bin") and m.ocsp]


@pytest.mark.parametrize("path", REQUESTS, ids=name_of)
def test_the_sending_server_s_certificate_is_good(path: Path) -> None:
    """The TLS certificate itself is not in a capture; it is the one of the consumer's that the OCSP parts are about."""
    message = SIGNED[path]
    folder = LIVE / ("accepted/certs" if conf_of(path) == "accepted" else "certs")
    good = []
    for pem in sorted(folder.glob("ss1auth*.pem")):
        certificate = x509.load_pem_x509_certificate(pem.read_bytes())
        with suppress(CertificateStatusUnknown):
            good.append(
                verify_auth_certificate([der(certificate)], message.ocsp, trust_of(conf_of(path)), captured_at(message))
            )
    (verified,) = good
    assert verified.valid_until > captured_at(message)


def test_a_signing_certificate_is_no_authentication_certificate() -> None:
    message = SIGNED[LIVE / "wire/02-request.bin"]
    certificate = parse_signature(message.signature).certificate
    ocsp = parse_signature(message.signature).ocsp
    with pytest.raises(GatewayError) as e:
        verify_auth_certificate([der(certificate)], ocsp, trust_of("wire"), captured_at(message))
    assert e.value.code == "ssl_authentication_failed"
    assert "not an authentication certificate" in e.value.safe_detail


REAL_BATCHES = [
    p for p in SIGNED if p.parent.name == "real-batch" and p.stem.startswith("consumer") == p.stem.endswith("request")
]


@pytest.mark.parametrize("path", REAL_BATCHES, ids=name_of)
def test_a_batch_of_a_real_server_needs_no_parser(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its chain is, byte for byte, what we would have written in its place."""
    monkeypatch.setattr("gateway.core.signing.hashchain._Verifier", None)
    verify(SIGNED[path], conf_of(path), captured_at(SIGNED[path]))


def test_a_second_message_of_one_signer_needs_no_chain_and_no_ocsp_check() -> None:
    first, second = (SIGNED[LIVE / f"accepted/to-provider/rsa-batch-{n}of5-request.bin"] for n in (1, 2))
    verdicts = SignerVerdicts()
    for message in (first, second):
        verify(message, "accepted", captured_at(first), verdicts)
    assert (verdicts.misses, verdicts.hits) == (1, 1)
