"""`file:` a private key in a PKCS#12 or PEM file; it lives in this process's memory and signs there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from gateway.core.errors import KeyTokenError, MalformedMessage
from gateway.core.signing import algorithms
from gateway.core.signing.algorithms import PrivateKey, SignatureAlgorithm, default_algorithm
from gateway.core.signing.certificatefile import certificates_in

_MOST_BYTES = 1 << 20
_MIN_RSA_BITS = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_SLOW_CURVES = (ec.SECP384R1, ec.SECP521R1)


class SoftwareToken:
    """`chain`: any order, may hold anything: the issuers are looked out of it."""

    def __init__(
        self,
        key: PrivateKeyTypes,
        certificate: x509.Certificate,
        chain: Sequence[x509.Certificate] = (),
        *,
        pss: bool = False,
    ) -> None:
        self._key = _usable(key)
        if self._key.public_key() != certificate.public_key():
            raise KeyTokenError("the key does not belong to the certificate", code="key_not_found")
        self._certificate = certificate
        self._intermediates = issuers_above(certificate, chain)
        self._algorithm = default_algorithm(self._key.public_key(), pss=pss)
        self._slow = isinstance(self._key, rsa.RSAPrivateKey) or isinstance(self._key.curve, _SLOW_CURVES)

    @classmethod
    def load(
        cls, location: str, *, pin: str | None = None, certificate: Path | None = None, pss: bool = False
    ) -> SoftwareToken:
        """PKCS#12, or PEM with the certificate in the same file, or in `certificate`, which may be DER. KeyTokenError in words."""
        path = Path(location)
        data = _read(path)
        try:
            if b"-----BEGIN " in data:
                key, certificates = _from_pem(data, pin), _certificates(data) if b"BEGIN CERTIFICATE" in data else []
            else:
                key, certificates = _from_pkcs12(data, pin)
            if certificate is not None:
                certificates = read_certificates(certificate)
            own = next((c for c in certificates if c.public_key() == key.public_key()), None)
            if own is None:
                raise KeyTokenError("no certificate belongs to the key", code="cert_not_found")
            return cls(key, own, certificates, pss=pss)
        except KeyTokenError as e:
            raise KeyTokenError(f"{path}: {e.safe_detail}", code=e.code) from e

    @property
    def certificate(self) -> x509.Certificate:
        return self._certificate

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        return self._intermediates

    @property
    def algorithm(self) -> SignatureAlgorithm:
        return self._algorithm

    @property
    def slow(self) -> bool:
        return self._slow

    def sign(self, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
        return algorithms.sign(self._key, algorithm, data)

    def export_key(self) -> bytes:
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _usable(key: PrivateKeyTypes) -> PrivateKey:
    match key:
        case rsa.RSAPrivateKey() if key.key_size >= _MIN_RSA_BITS:
            return key
        case ec.EllipticCurvePrivateKey() if isinstance(key.curve, _CURVES):
            return key
        case _:
            raise KeyTokenError(
                f"keys are RSA of at least {_MIN_RSA_BITS} bits or EC on P-256, P-384 or P-521",
                code="key_not_available",
            )


def read_certificates(path: Path) -> list[x509.Certificate]:
    """All certificates of a file, PEM or DER, in its order. KeyTokenError."""
    return _certificates(_read(path))


def issuers_above(certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Upwards from `certificate`; roots are known to everybody and never sent (reference 3.1, 4.2)."""
    by_subject = {c.subject: c for c in chain if c.subject != c.issuer}
    path: list[x509.Certificate] = []
    above = by_subject.pop(certificate.issuer, None)
    while above is not None:
        path.append(above)
        above = by_subject.pop(above.issuer, None)
    return tuple(path)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as e:
        raise KeyTokenError(f"{path}: cannot be read: {e.strerror}", code="token_not_found") from e
    if len(data) > _MOST_BYTES:
        raise KeyTokenError(f"{path}: too large for a key file", code="token_not_available")
    return data


def _from_pem(data: bytes, pin: str | None) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(data, None if pin is None else pin.encode())
    except TypeError as e:  # how the library tells these two apart from a wrong pin
        what = "needs a pin" if pin is None else "is not protected, but a pin is configured"
        raise KeyTokenError(f"the key {what}", code="pin_incorrect") from e
    except (ValueError, UnsupportedAlgorithm) as e:
        what = "no private key in PEM form" if pin is None else "wrong pin, or no private key in PEM form"
        raise KeyTokenError(what, code="pin_incorrect" if pin else "key_not_found") from e


def _from_pkcs12(data: bytes, pin: str | None) -> tuple[PrivateKeyTypes, list[x509.Certificate]]:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, None if pin is None else pin.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        what = "needs a pin, or is no PKCS#12 file" if pin is None else "wrong pin, or no PKCS#12 file"
        raise KeyTokenError(what, code="pin_incorrect") from e
    if key is None:
        raise KeyTokenError("no private key in the PKCS#12 file", code="key_not_found")
    return key, [c for c in (certificate, *others) if c is not None]


def _certificates(data: bytes) -> list[x509.Certificate]:
    try:
        return certificates_in(data)
    except MalformedMessage as e:
        raise KeyTokenError(e.safe_detail, code="cert_not_found") from e
