"""RFC 3161 messages and the CMS around a time-stamp, between ASN.1 and values. The only place that knows these structures.

Nothing is verified here (`timestamp.py` does that), but nothing is left unread either: every field is decoded at once, because the
library reads lazily and would stumble later. Received tokens may be BER, as some authorities write them; signed attributes are
always taken in their DER form, as RFC 5652 5.4 says. Refused: more than one signer, an attribute twice, crls and unsigned
attributes (nobody signed them and X-Road never keeps them), digests that do not protect anything any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from asn1crypto import algos, cms, core, tsp
from cryptography import x509

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.signing.algorithms import SignatureAlgorithm
from gateway.core.signing.certificates import der, parse_certificate

MAX_TOKEN = 64 * 1024
MAX_REQUEST = 4 * 1024
_MAX_CERTIFICATES = 8
_DIGESTS = {"sha256": DigestAlgorithm.SHA256, "sha384": DigestAlgorithm.SHA384, "sha512": DigestAlgorithm.SHA512}
_FAMILIES = {"rsassa_pkcs1v15": "RSA", "rsassa_pss": "RSA_PSS", "ecdsa": "ECDSA"}
# What asn1crypto raises on bytes that are not what they claim; RecursionError on deeply nested BER.
_ASN1_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)
# TimeStampReq { version 1, SHA-512 without parameters, the digest }: no policy, nonce or certReq (reference 6.2).
_XROAD_QUERY = bytes.fromhex("3054020101304f300b06096086480165030402030440")


class PkiFailure(IntEnum):
    """PKIFailureInfo of RFC 3161 2.4.2: numbers of bits."""

    BAD_ALG = 0
    BAD_REQUEST = 2
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    ADD_INFO_NOT_AVAILABLE = 17
    SYSTEM_FAILURE = 25


@dataclass(frozen=True, slots=True)
class TimestampQuery:
    """A TimeStampReq. `imprint` is None when its algorithm is not one of ours. `policy`: dotted OID."""

    imprint: Digest | None
    policy: str | None
    nonce: int | None
    certificate_wanted: bool
    has_extensions: bool


@dataclass(frozen=True, slots=True)
class TimestampResponse:
    """A TimeStampResp. `token`: the ContentInfo as received, when one is there. `text`: what a rejection says, untrusted."""

    status: int
    failure: str | None
    text: str
    token: bytes | None


@dataclass(frozen=True, slots=True)
class SignerId:
    """How the token names its signer's certificate: issuer (DER Name) and serial number, or the subject key identifier."""

    issuer: bytes | None
    serial_number: int | None
    key_identifier: bytes | None


@dataclass(frozen=True, slots=True)
class CertificateHash:
    """ESSCertID or ESSCertIDv2: which certificate the signer meant. `algorithm`: hashlib's name; SHA-1 in the older form."""

    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True)
class TimestampToken:
    """`content`: DER TSTInfo, whose digest `content_digest` stands in the signed attributes; `signed_attributes`: the octets that
    `signature` is over. `time`: genTime in UTC. `certificates`: beside the signature, unsigned, of no authority."""

    time: datetime
    serial: int
    policy: str
    imprint: Digest
    nonce: int | None
    content: bytes
    content_digest: Digest
    certificate_hash: CertificateHash
    signed_attributes: bytes
    algorithm: SignatureAlgorithm
    signature: bytes
    signer: SignerId
    certificates: tuple[x509.Certificate, ...]


def build_query(imprint: Digest) -> bytes:
    """The TimeStampReq that X-Road sends (reference 6.2), DER. SHA-512 only."""
    if imprint.algorithm is not DigestAlgorithm.SHA512:
        raise MalformedMessage("time-stamps are asked for over SHA-512", code="unsupported_algorithm")
    return _XROAD_QUERY + imprint.value


def parse_query(query: bytes) -> TimestampQuery:
    """MalformedMessage for anything but one DER TimeStampReq of version 1."""
    try:
        return _query(query)
    except _ASN1_ERRORS as e:
        raise MalformedMessage("not a time-stamp request") from e


def parse_response(response: bytes) -> TimestampResponse:
    """MalformedMessage for anything but one TimeStampResp. The token in it is not read."""
    try:
        return _response(response)
    except _ASN1_ERRORS as e:
        raise MalformedMessage("not a time-stamp response") from e


def parse_token(token: bytes) -> TimestampToken:
    """MalformedMessage for anything but one CMS SignedData over a TSTInfo, with one signer and the attributes that
    RFC 3161 2.4.2 demands, in algorithms we accept."""
    try:
        return _token(token)
    except _ASN1_ERRORS as e:
        raise MalformedMessage("not a time-stamp token") from e


def build_rejection(failure: PkiFailure, text: str) -> bytes:
    """A DER TimeStampResp that says why there is no token. `text`: for the reader of a log."""
    bits = tuple(int(n == failure) for n in range(failure + 1))  # DER: no trailing zeros in a named bit list
    status = {"status": "rejection", "status_string": [text], "fail_info": bits}
    return bytes(_Response({"status": status}).dump())


def with_certificates(token: bytes, certificates: Sequence[x509.Certificate]) -> bytes:
    """The same token with these certificates beside the signature, which does not cover them (X-Road adds the authority's own
    before it stores a token: reference 6.2). MalformedMessage as `parse_token`."""
    try:
        info = cms.ContentInfo.load(token, strict=True)
        info["content"]["certificates"] = cms.CertificateSet(
            [cms.CertificateChoices.load(der(c)) for c in certificates]
        )
        return bytes(info.dump(force=token[1] == 0x80))  # BER of indefinite length becomes DER
    except _ASN1_ERRORS as e:
        raise MalformedMessage("not a time-stamp token") from e


def _sized(data: bytes, most: int) -> bytes:
    if len(data) > most:
        raise ValueError("oversized")
    return data


def _query(query: bytes) -> TimestampQuery:
    parsed = tsp.TimeStampReq.load(_sized(query, MAX_REQUEST), strict=True)
    if parsed["version"].native != "v1":
        raise ValueError("another version")
    policy, nonce = parsed["req_policy"], parsed["nonce"].native
    return TimestampQuery(
        imprint=_imprint(parsed["message_imprint"]),
        policy=policy.dotted if isinstance(policy, core.ObjectIdentifier) else None,
        nonce=nonce,
        certificate_wanted=bool(parsed["cert_req"].native),
        has_extensions=bool(parsed["extensions"].native),
    )


def _imprint(parsed: Any) -> Digest | None:
    algorithm = _DIGESTS.get(parsed["hash_algorithm"]["algorithm"].native)
    if parsed["hash_algorithm"]["parameters"].native is not None:
        raise ValueError("a digest with parameters")
    return _digest(algorithm, parsed["hashed_message"]) if algorithm else None


def _digest(algorithm: DigestAlgorithm, octets: Any) -> Digest:
    value = bytes(octets)
    if len(value) != algorithm.size:
        raise ValueError("a digest of the wrong size")
    return Digest(algorithm, value)


def _response(response: bytes) -> TimestampResponse:
    outer = _Response.load(_sized(response, MAX_TOKEN), strict=True)
    status, token = outer["status"], outer["time_stamp_token"]
    failure = status["fail_info"].native or ()
    texts = status["status_string"].native or ()
    return TimestampResponse(
        status=int(status["status"]),
        failure=", ".join(sorted(failure)) or None,
        text=" ".join(str(t) for t in texts)[:200],
        token=bytes(token.dump()) if isinstance(token, cms.ContentInfo) else None,
    )


class _Response(core.Sequence):  # type: ignore[misc]  # the library is untyped; its own class demands a token
    _fields = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]  # noqa: RUF012


def _token(token: bytes) -> TimestampToken:
    info = cms.ContentInfo.load(_sized(token, MAX_TOKEN), strict=True)
    if info["content_type"].native != "signed_data":
        raise ValueError("not signed data")
    signed = info["content"]
    if signed["version"].native != "v3" or signed["encap_content_info"]["content_type"].native != "tst_info":
        raise ValueError("not over a TSTInfo")
    if len(signed["signer_infos"]) != 1 or signed["crls"].native is not None:
        raise ValueError("not exactly one signer")
    content = bytes(signed["encap_content_info"]["content"])
    tst, signer = tsp.TSTInfo.load(content, strict=True), signed["signer_infos"][0]
    imprint, time, nonce = _imprint(tst["message_imprint"]), tst["gen_time"].native, tst["nonce"].native
    if imprint is None or tst["version"].native != "v1" or not isinstance(time, datetime):
        raise ValueError("a TSTInfo of another kind")
    _ = (tst["accuracy"].native, tst["tsa"].native, tst["ordering"].native)
    if any(e["critical"].native for e in tst["extensions"] or ()):
        raise ValueError("a critical extension")
    attributes = _signed_attributes(signer)
    return TimestampToken(
        time=time.astimezone(UTC),
        serial=tst["serial_number"].native,
        policy=tst["policy"].dotted,
        imprint=imprint,
        nonce=nonce,
        content=content,
        content_digest=_digest(_digest_algorithm(signer["digest_algorithm"]), attributes["message_digest"]),
        certificate_hash=_certificate_hash(attributes),
        signed_attributes=bytes(signer["signed_attrs"].untag().dump()),
        algorithm=_signature_algorithm(signer),
        signature=bytes(signer["signature"]),
        signer=_signer_id(signer),
        certificates=_certificates(signed["certificates"]),
    )


def _signed_attributes(signer: Any) -> dict[str, Any]:
    if signer["unsigned_attrs"].native is not None:
        raise ValueError("unsigned attributes")
    found: dict[str, Any] = {}
    for attribute in signer["signed_attrs"]:
        name = attribute["type"].native
        if name in found or len(attribute["values"]) != 1:
            raise ValueError("an attribute more than once")
        found[name] = attribute["values"][0]
    if found["content_type"].native != "tst_info":
        raise ValueError("an attribute about another content")
    return found


def _certificate_hash(attributes: dict[str, Any]) -> CertificateHash:
    """Of the first certificate named, which is the signer's (RFC 2634 5.4); the newer form when both are there (RFC 5816)."""
    if "signing_certificate_v2" in attributes:
        named = attributes["signing_certificate_v2"]["certs"][0]
        algorithm = _digest_algorithm(named["hash_algorithm"])
        return CertificateHash(algorithm.name.lower(), _digest(algorithm, named["cert_hash"]).value)
    return CertificateHash("sha1", bytes(attributes["signing_certificate"]["certs"][0]["cert_hash"]))


def _digest_algorithm(parsed: Any) -> DigestAlgorithm:
    if parsed["parameters"].native is not None:
        raise ValueError("a digest with parameters")
    return _DIGESTS[parsed["algorithm"].native]


def _signature_algorithm(signer: Any) -> SignatureAlgorithm:
    """Signature algorithms that name no digest (`rsaEncryption`) mean the one of the signer's digestAlgorithm."""
    parsed, digest = signer["signature_algorithm"], _digest_algorithm(signer["digest_algorithm"])
    family = _FAMILIES[parsed.signature_algo]
    if parsed["algorithm"].native not in ("rsassa_pkcs1v15", "rsassa_pss") and _DIGESTS[parsed.hash_algo] is not digest:
        raise ValueError("two digests")
    if family == "RSA_PSS":
        _check_pss(parsed["parameters"], digest)
    elif parsed["parameters"].native is not None:
        raise ValueError("a signature with parameters")
    return SignatureAlgorithm[f"{family}_{digest.name}"]


def _check_pss(parameters: Any, digest: DigestAlgorithm) -> None:
    """The one form that `SignatureAlgorithm` stands for: one digest throughout, a salt of its size."""
    expected = algos.RSASSAPSSParams({
        "hash_algorithm": {"algorithm": digest.name.lower()},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": digest.name.lower()}},
        "salt_length": digest.size,
    })  # fmt: skip
    if parameters.native != expected.native:
        raise ValueError("PSS with other parameters")


def _signer_id(signer: Any) -> SignerId:
    version, sid = signer["version"].native, signer["sid"]
    if (version, sid.name) not in (("v1", "issuer_and_serial_number"), ("v3", "subject_key_identifier")):
        raise ValueError("a signer that is not named")
    if sid.name == "subject_key_identifier":
        return SignerId(None, None, bytes(sid.chosen))
    return SignerId(bytes(sid.chosen["issuer"].dump()), sid.chosen["serial_number"].native, None)


def _certificates(parsed: Any) -> tuple[x509.Certificate, ...]:
    if parsed.native is None:
        return ()
    if len(parsed) > _MAX_CERTIFICATES or any(c.name != "certificate" for c in parsed):
        raise ValueError("too many certificates, or of another kind")
    return tuple(parse_certificate(bytes(c.chosen.dump())) for c in parsed)
