"""`pkcs11:` a private key on a smart card or HSM, behind its vendor's PKCS#11 library (RFC 7512 URI). The key never leaves it.

How a device is found, lost and found again: `cryptoki.py`.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import partial
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import MGF, Attribute, Mechanism, ObjectClass

from gateway.core.errors import KeyTokenError, SignatureRejected
from gateway.core.signing.algorithms import SignatureAlgorithm, default_algorithm, verify
from gateway.settings.pkcs11uri import Pkcs11Uri, parse_pkcs11_uri
from gateway.signer.tokens.cryptoki import TokenObject
from gateway.signer.tokens.software import issuers_above, read_certificates

_RSA = {
    SignatureAlgorithm.RSA_SHA256: Mechanism.SHA256_RSA_PKCS,
    SignatureAlgorithm.RSA_SHA384: Mechanism.SHA384_RSA_PKCS,
    SignatureAlgorithm.RSA_SHA512: Mechanism.SHA512_RSA_PKCS,
}
_PSS = {
    SignatureAlgorithm.RSA_PSS_SHA256: (Mechanism.SHA256_RSA_PKCS_PSS, (Mechanism.SHA256, MGF.SHA256, 32)),
    SignatureAlgorithm.RSA_PSS_SHA384: (Mechanism.SHA384_RSA_PKCS_PSS, (Mechanism.SHA384, MGF.SHA384, 48)),
    SignatureAlgorithm.RSA_PSS_SHA512: (Mechanism.SHA512_RSA_PKCS_PSS, (Mechanism.SHA512, MGF.SHA512, 64)),
}


class Pkcs11Token:
    """`certificate`: its file, the key's own first among those of its key, intermediates with it; None: looked for on the token."""

    def __init__(self, uri: Pkcs11Uri, pin: str | None, certificate: Path | None, *, pss: bool) -> None:
        self._uri = uri
        self._key = TokenObject(uri, pin, ObjectClass.PRIVATE_KEY)
        found = _stored_certificates(uri, pin) if certificate is None else read_certificates(certificate)
        if not found:
            raise KeyTokenError(f"{uri}: no certificate beside the key", code="cert_not_found")
        self._certificate = found[0]
        self._intermediates = issuers_above(self._certificate, found)
        self._algorithm = default_algorithm(self._certificate.public_key(), pss=pss)
        self._prove_possession()

    @classmethod
    def load(
        cls, location: str, *, pin: str | None = None, certificate: Path | None = None, pss: bool = False
    ) -> Pkcs11Token:
        """KeyTokenError in words when URI, library, token, PIN, key or certificate are not what they should be."""
        try:
            uri = parse_pkcs11_uri(f"pkcs11:{location}")
        except ValueError as e:
            raise KeyTokenError(f"PKCS#11 URI: {e}", code="token_not_found") from e
        return cls(uri, pin, certificate, pss=pss)

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
        return True

    def sign(self, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
        if algorithm.is_ecdsa != self._algorithm.is_ecdsa:
            raise KeyTokenError("the key is not of the algorithm's kind", code="unsupported_sign_algorithm")
        return self._key.use(partial(self._sign_with, algorithm, data))

    def export_key(self) -> bytes:
        raise KeyTokenError("a PKCS#11 token keeps its key: TLS needs one from a file", code="key_not_available")

    def _prove_possession(self) -> None:
        """The key of the URI is the certificate's: otherwise every message would be refused elsewhere."""
        challenge = secrets.token_bytes(32)
        try:
            verify(self._certificate.public_key(), self._algorithm, self.sign(self._algorithm, challenge), challenge)
        except SignatureRejected as e:
            raise KeyTokenError(f"{self._uri}: the key does not belong to the certificate", code="key_not_found") from e

    # --- in the library's thread ---------------------------------------------------------------------------------------

    def _sign_with(self, algorithm: SignatureAlgorithm, data: bytes, key: Any) -> bytes:
        if algorithm.is_ecdsa:
            digest = hashlib.new(algorithm.digest.name.lower(), data).digest()
            return bytes(key.sign(digest[: self._order_bytes()], mechanism=Mechanism.ECDSA))
        if algorithm in _PSS:
            mechanism, parameters = _PSS[algorithm]
            return bytes(key.sign(data, mechanism=mechanism, mechanism_param=parameters))
        return bytes(key.sign(data, mechanism=_RSA[algorithm]))

    def _order_bytes(self) -> int:
        """ECDSA signs the leftmost bits of a digest, as many as the curve's order has; tokens differ in whether they cut."""
        public = self._certificate.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        return (public.curve.key_size + 7) // 8


def _stored_certificates(uri: Pkcs11Uri, pin: str | None) -> list[x509.Certificate]:
    stored = TokenObject(uri, pin, ObjectClass.CERTIFICATE).use(lambda found: bytes(found[Attribute.VALUE]))
    try:
        return [x509.load_der_x509_certificate(stored)]
    except ValueError as e:
        raise KeyTokenError(f"{uri}: the certificate cannot be read", code="cert_not_found") from e
