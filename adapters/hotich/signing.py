"""The registrar's signature over a certified copy: a detached JWS (RFC 7515, appendix F) with the certificate in its header.

The signature covers the document's bytes. It stands on its own: document, signature and the authority's certificate are all that
somebody needs, and `openssl` will do. Header: `alg`, ES256 or RS256 by the key; `x5c`, the registrar's certificate; `iat`, when it
was signed (seconds), at which the certificate must have been valid. Nothing in the header chooses whom to trust.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

_MOST_BYTES = 64 * 1024
_JWS = re.compile(r"([A-Za-z0-9_-]+)\.\.([A-Za-z0-9_-]+)")
_HEADER = {"alg", "x5c", "iat"}
_CLOCKS_DIFFER = timedelta(minutes=5)


class InvalidCopy(ValueError):
    """Document and signature do not prove that a registrar signed. Says which check failed."""


@dataclass(frozen=True, slots=True)
class Registrar:
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate

    def sign(self, document: bytes, now: datetime) -> str:
        """The detached JWS, `header..signature`."""
        shown = base64.b64encode(self.certificate.public_bytes(Encoding.DER)).decode()
        headers: dict[str, Any] = {"x5c": [shown], "iat": int(now.timestamp()), "typ": None}
        whole = jwt.PyJWS().encode(document, self.key, _algorithm(self.certificate), headers)
        header, _, signature = whole.split(".")
        return f"{header}..{signature}"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed, and when: what a verification established."""

    subject: str
    signed_at: datetime


def load_registrar(path: Path) -> Registrar:
    """A PKCS#12 file whose PIN stands beside it (`.pin`). OSError or ValueError when there is no key of a kind that signs."""
    pin = path.with_suffix(".pin").read_bytes().strip()
    key, certificate, _ = pkcs12.load_key_and_certificates(path.read_bytes(), pin)
    if certificate is None or not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("the file holds no RSA or EC key with its certificate")
    registrar = Registrar(key, certificate)
    _algorithm(certificate)
    return registrar


def verify_copy(document: bytes, signature: str, authority: x509.Certificate, now: datetime) -> Signer:
    """InvalidCopy unless `authority` issued the signer's certificate for signing documents and the signature covers `document`.

    1. form of the JWS  2. certificate: issuer, use, validity when signed  3. signature
    """
    match = _JWS.fullmatch(signature) if len(signature) < _MOST_BYTES else None
    if match is None:
        raise InvalidCopy("the signature is no detached JWS")
    header = _header(match[1])
    certificate = _certificate(header)
    _check_issuer(certificate, authority)
    signed_at = datetime.fromtimestamp(header["iat"], UTC)
    if not certificate.not_valid_before_utc <= signed_at <= certificate.not_valid_after_utc:
        raise InvalidCopy("the certificate was not valid when the copy was signed")
    if signed_at > now + _CLOCKS_DIFFER:
        raise InvalidCopy("the copy says that it was signed in the future")
    algorithm = _algorithm(certificate)
    if header["alg"] != algorithm:
        raise InvalidCopy("the algorithm is not that of the key")
    whole = f"{match[1]}.{base64.urlsafe_b64encode(document).decode().rstrip('=')}.{match[2]}"
    try:
        jwt.PyJWS().decode(whole, certificate.public_key(), algorithms=[algorithm])  # type: ignore[arg-type]
    except jwt.InvalidTokenError as e:
        raise InvalidCopy("the signature does not fit the document") from e
    return Signer(certificate.subject.rfc4514_string(), signed_at)


def _header(text: str) -> dict[str, Any]:
    try:
        header = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError) as e:
        raise InvalidCopy("the header is no JSON") from e
    good = isinstance(header, dict) and set(header) == _HEADER and type(header["iat"]) is int
    if not good or not 0 <= header["iat"] < 2**33:
        raise InvalidCopy("the header has not exactly alg, x5c and iat")
    return dict(header)


def _certificate(header: dict[str, Any]) -> x509.Certificate:
    shown = header["x5c"]
    try:
        if not isinstance(shown, list) or len(shown) != 1 or not isinstance(shown[0], str):
            raise InvalidCopy("x5c holds not exactly the signer's certificate")
        return x509.load_der_x509_certificate(base64.b64decode(shown[0], validate=True))
    except (binascii.Error, ValueError) as e:
        raise InvalidCopy("x5c holds no certificate") from e


def _check_issuer(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(authority)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as e:
        raise InvalidCopy("the certificate is not one of the authority") from e
    if ca or not usage.content_commitment:
        raise InvalidCopy("the certificate is not for signing documents")


def _algorithm(certificate: x509.Certificate) -> str:
    match certificate.public_key():
        case ec.EllipticCurvePublicKey() as key if isinstance(key.curve, ec.SECP256R1):
            return "ES256"
        case rsa.RSAPublicKey():
            return "RS256"
        case _:
            raise InvalidCopy("a registrar signs with RSA or P-256")
