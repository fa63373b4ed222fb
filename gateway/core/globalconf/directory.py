"""The signed directory: which files make up a configuration, until when, and who says so (reference 7.2).

The HTTP body carries MIME headers of its own. Signed is the body of the first outer part, taken as the bytes received: from the
blank line after its header to the line break before the outer delimiter.

    header            Content-Type: multipart/related; boundary=OUTER
    --OUTER           Content-Type: multipart/mixed; boundary=INNER
      --INNER         Expire-date, Version                                 <- signed from here
      --INNER         one file: its name, place and hash; repeated
      --INNER--                                                            <- to here
    --OUTER           algorithm and certificate hash; the signature
    --OUTER--

Central Servers write CR LF; LF alone is read as well, and so is a missing last inner delimiter.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage, SignatureRejected
from gateway.core.globalconf import xmlform as x
from gateway.core.globalconf.mimeform import UNREADABLE, read_header, read_parameters, split_parts, unreadable
from gateway.core.identifiers import check_piece
from gateway.core.signing.algorithms import SignatureAlgorithm, default_algorithm, sign_der, verify_der

SHARED = "SHARED-PARAMETERS"
PRIVATE = "PRIVATE-PARAMETERS"
MAX_DIRECTORY = 1024 * 1024
MAX_PARTS = 64
LOCAL_NAMES = {
    SHARED: "shared-params.xml",
    PRIVATE: "private-params.xml",
    "MONITORING": "monitoring-params.xml",
    "FETCHINTERVAL": "fetchinterval-params.xml",
    "NEXTUPDATE": "nextupdate-params.xml",
}
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=?]{1,70}")
_STAMP = re.compile(r"/V[0-9]+/([0-9]{14,32})/")


@dataclass(frozen=True, slots=True)
class PartReference:
    """One file of the configuration. `location` is relative to the directory's URL; `instance` only for the two `-PARAMETERS`."""

    identifier: str
    instance: str | None
    location: str
    digest: Digest
    file_name: str | None = None

    @property
    def local_name(self) -> str:
        """The file name in a configuration directory (reference 7.2, 7.3); never a path."""
        return LOCAL_NAMES.get(self.identifier) or self.file_name or self.location.rpartition("/")[2]

    @property
    def stamp(self) -> str | None:
        """The time that a Central Server puts into locations: `/V6/20251110170000548026000/...`."""
        found = _STAMP.search(self.location)
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class SignedDirectory:
    """A directory as read, not yet believed: `verify_directory` says who vouches for it."""

    signed: bytes
    expires: datetime
    version: int
    parts: tuple[PartReference, ...]
    algorithm: SignatureAlgorithm
    signature: bytes
    certificate_digest: Digest

    @property
    def instance(self) -> str:
        """The one instance that the parameters are of."""
        return next(p.instance for p in self.parts if p.identifier in (SHARED, PRIVATE) and p.instance)

    @property
    def stamp(self) -> str | None:
        """The latest time in the locations."""
        return max((p.stamp for p in self.parts if p.stamp), default=None)


def verify_directory(directory: SignedDirectory, certificates: Iterable[bytes]) -> bytes:
    """The certificate (bytes as stored) that signed the directory: the one among `certificates` that it names by hash.

    Its own chain and validity are not asked for: the anchor that holds it is what is believed (reference 7.2).
    SignatureRejected: `global_conf_missing_verification_cert`, `global_conf_signature_verification_failure`.
    """
    wanted = directory.certificate_digest
    for stored in certificates:
        if wanted.algorithm.of(stored) == wanted:
            break
    else:
        raise SignatureRejected(
            "No known certificate verifies the configuration directory", code="global_conf_missing_verification_cert"
        )
    try:
        key = x.load_certificate(stored).public_key()
        verify_der(key, directory.algorithm, directory.signature, directory.signed)
    except (SignatureRejected, MalformedMessage, ValueError) as e:
        raise SignatureRejected(
            "The signature of the configuration directory is not valid",
            code="global_conf_signature_verification_failure",
        ) from e
    return stored


# --- reading ---------------------------------------------------------------------------------------------------------


def parse_directory(body: bytes) -> SignedDirectory:
    """MalformedMessage with the `global_conf_*` code of what is missing or wrong. Nothing is verified here."""
    if len(body) > MAX_DIRECTORY:
        raise unreadable("the directory is too large")
    headers, content = read_header(body)
    outer = split_parts(content, _boundary(headers, "multipart/related"), closed=True)
    if not outer:
        raise _wrong("the directory holds no signed data", "global_conf_missing_signed_data")
    if len(outer) != 2:
        raise _wrong("the directory does not hold exactly one signature", "global_conf_signature_decode_failure")
    signed_headers, signed = read_header(outer[0])
    inner = split_parts(signed, _boundary(signed_headers, "multipart/mixed"), closed=False)
    if not inner or len(inner) > MAX_PARTS:
        raise unreadable("the directory names no files or too many")
    about = read_header(inner[0])[0]
    expires = about.get("expire-date")
    if expires is None:
        raise _wrong("Expire-date is missing", "global_conf_missing_signed_data_expiration_date")
    parts = tuple(_part(*read_header(part)) for part in inner[1:])
    _check_parts(parts)
    signature_headers, signature = read_header(outer[1])
    return SignedDirectory(
        signed=signed,
        expires=_moment(expires),
        version=_version(about.get("version", "2")),
        parts=parts,
        algorithm=_signature_algorithm(_field(signature_headers, "signature-algorithm-id")),
        signature=_base64(signature, "global_conf_signature_decode_failure"),
        certificate_digest=_certificate_digest(_field(signature_headers, "verification-certificate-hash")),
    )


def _wrong(what: str, code: str) -> MalformedMessage:
    return MalformedMessage(what, code=code)


def _boundary(headers: Mapping[str, str], kind: str) -> bytes:
    main, parameters = read_parameters(_field(headers, "content-type"))
    boundary = parameters.get("boundary", "").encode()
    if main.lower() != kind or not _BOUNDARY.fullmatch(boundary):
        raise _wrong("Content-Type is not what the directory needs", "global_conf_header_field_wrong_value")
    return boundary


def _field(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise _wrong(f"{name} is missing", "global_conf_header_field_missing")
    return value


def _part(headers: Mapping[str, str], content: bytes) -> PartReference:
    for name, needed in (("content-type", "application/octet-stream"), ("content-transfer-encoding", "base64")):
        if _field(headers, name).lower() != needed:
            raise _wrong(f"{name} is not {needed}", "global_conf_header_field_wrong_value")
    identifier, parameters = read_parameters(_field(headers, "content-identifier"))
    instance = parameters.get("instance")
    if identifier in (SHARED, PRIVATE):
        if not instance:
            raise _wrong("instance is missing", "global_conf_header_field_missing_parameter")
        _check_instance(instance)
    algorithm = _digest_algorithm(_field(headers, "hash-algorithm-id"))
    reference = PartReference(
        identifier=identifier,
        instance=instance,
        location=_field(headers, "content-location"),
        digest=_digest(algorithm, _base64(content, UNREADABLE)),
        file_name=headers.get("content-file-name"),
    )
    # names become file names of whoever saves the configuration: nothing that climbs or hides
    if not re.fullmatch(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,200}", reference.local_name):
        raise _wrong("a file name that is none", "global_conf_header_field_wrong_value")
    return reference


def _check_instance(instance: str) -> None:
    try:
        check_piece(instance)
    except MalformedMessage as e:
        raise _wrong("instance is no identifier", "global_conf_header_field_wrong_value") from e


def _check_parts(parts: Sequence[PartReference]) -> None:
    """Each file once, and parameters of exactly one instance: else one directory could speak for two."""
    if len({p.local_name for p in parts}) != len(parts) or len({p.identifier for p in parts}) != len(parts):
        raise unreadable("a file is named twice")
    if len({p.instance for p in parts if p.identifier in (SHARED, PRIVATE)}) != 1:
        raise unreadable("parameters of no instance or of several")


def _moment(value: str) -> datetime:
    try:
        return x.moment(value)
    except MalformedMessage as e:
        raise _wrong("Expire-date is not a time", "global_conf_header_field_wrong_value") from e


def _version(value: str) -> int:
    if not re.fullmatch("[2-6]", value, re.ASCII):
        raise _wrong("unsupported version of the global configuration", "global_conf_header_field_wrong_value")
    return int(value)


def _signature_algorithm(uri: str) -> SignatureAlgorithm:
    try:
        return SignatureAlgorithm.from_uri(uri)
    except MalformedMessage as e:
        raise _wrong("unsupported signature algorithm", "global_conf_header_field_wrong_value") from e


def _digest_algorithm(uri: str) -> DigestAlgorithm:
    try:
        return DigestAlgorithm.from_uri(uri)
    except MalformedMessage as e:
        raise _wrong("unsupported digest algorithm", "global_conf_header_field_wrong_value") from e


def _digest(algorithm: DigestAlgorithm, value: bytes) -> Digest:
    try:
        return Digest(algorithm, value)
    except MalformedMessage as e:
        raise _wrong("a digest of the wrong size", "global_conf_header_field_wrong_value") from e


def _certificate_digest(value: str) -> Digest:
    encoded, parameters = read_parameters(value)
    if "hash-algorithm-id" not in parameters:
        raise _wrong("hash-algorithm-id is missing", "global_conf_header_field_missing_parameter")
    algorithm = _digest_algorithm(parameters["hash-algorithm-id"])
    return _digest(algorithm, _base64(encoded.encode(), "global_conf_header_field_wrong_value"))


def _base64(content: bytes, code: str) -> bytes:
    try:
        value = x.base64_bytes(content.decode("ascii"))
    except (MalformedMessage, UnicodeDecodeError) as e:
        raise _wrong("not base64", code) from e
    if not value:
        raise _wrong("empty base64", code)
    return value


# --- writing ---------------------------------------------------------------------------------------------------------


def build_directory(
    parts: Sequence[PartReference],
    *,
    expires: datetime,
    version: int,
    key: PrivateKeyTypes,
    certificate: bytes,
    boundaries: tuple[str, str],
    pss: bool = False,
) -> bytes:
    """The directory as a Central Server writes it, byte for byte apart from `boundaries` (outer, inner; any two that differ).

    `certificate`: the verification certificate exactly as anchors hold it. KeyTokenError when the key cannot sign.
    """
    outer, inner = boundaries
    about = f"Expire-date: {x.utc_text(expires)}\r\nVersion: {version}\r\n\r\n"
    files = "".join(f"--{inner}\r\n{_print_part(p)}" for p in parts)
    signed = f"--{inner}\r\n{about}{files}--{inner}--\r\n".encode()
    algorithm = default_algorithm(key.public_key(), pss=pss)
    signature = base64.b64encode(sign_der(key, algorithm, signed))
    digest = DigestAlgorithm.SHA512.of(certificate)
    named = f'{base64.b64encode(digest.value).decode()}; hash-algorithm-id="{digest.algorithm.uri}"'
    head = (
        f"Content-Type: multipart/related; charset=UTF-8; boundary={outer}\r\n\r\n"
        f"--{outer}\r\nContent-Type: multipart/mixed; charset=UTF-8; boundary={inner}\r\n\r\n"
    )
    tail = (
        f"\r\n--{outer}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        f"Signature-Algorithm-Id: {algorithm.uri}\r\nVerification-certificate-hash: {named}\r\n\r\n"
    )
    return b"".join((head.encode(), signed, tail.encode(), signature, f"\r\n--{outer}--\r\n".encode()))


def _print_part(part: PartReference) -> str:
    quote = '"' if part.instance and "'" in part.instance else "'"
    instance = "" if part.instance is None else f"; instance={quote}{part.instance}{quote}"
    file_name = "" if part.file_name is None else f"Content-file-name: {part.file_name}\r\n"
    return (
        "Content-type: application/octet-stream\r\nContent-transfer-encoding: base64\r\n"
        f"Content-identifier: {part.identifier}{instance}\r\nContent-location: {part.location}\r\n{file_name}"
        f"Hash-algorithm-id: {part.digest.algorithm.uri}\r\n\r\n{base64.b64encode(part.digest.value).decode()}\r\n"
    )
