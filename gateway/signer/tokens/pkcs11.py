"""`pkcs11:` a private key on a smart card or HSM, behind its vendor's PKCS#11 library (RFC 7512 URI). The key never leaves it.

Rules. Everything happens in the thread of its library (`cryptoki.py`). A failed call is tried once more on a library set up anew,
because that is how a device that was pulled and put back is found again; while the device is away, every signature fails at once.
A wrong PIN is never tried twice: tokens lock themselves.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pkcs11
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import MGF, Attribute, Mechanism, ObjectClass

from gateway.core.errors import KeyTokenError, SignatureRejected
from gateway.core.signing.algorithms import SignatureAlgorithm, default_algorithm, verify
from gateway.settings.pkcs11uri import Pkcs11Uri, parse_pkcs11_uri
from gateway.signer.tokens.cryptoki import PIN_ERRORS, find_one, library
from gateway.signer.tokens.software import issuers_above, read_certificates

T = TypeVar("T")

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
    """`certificate`: PEM file, the key's own first among those of its key, intermediates with it; None: looked for on the token."""

    def __init__(self, uri: Pkcs11Uri, pin: str | None, certificate: Path | None, *, pss: bool) -> None:
        self._uri = uri
        self._pin = pin
        self._library = library(uri.module)
        self._key: Any = None
        self._generation = -1
        self._pin_refused = False
        found = self._library.call(self._certificates) if certificate is None else read_certificates(certificate)
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
        return self._library.call(partial(self._sign, algorithm, data))

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

    def _sign(self, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
        return self._with_session(lambda: self._sign_with(self._private_key(), algorithm, data))

    def _sign_with(self, key: Any, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
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

    def _with_session(self, work: Callable[[], T]) -> T:
        """`work`, once more on a library set up anew when the token fails. KeyTokenError when that fails too."""
        try:
            return work()
        except pkcs11.PKCS11Error as first:
            self._refuse_pin_errors(first)
            try:
                self._library.start_again()
                return work()
            except pkcs11.PKCS11Error as e:
                self._refuse_pin_errors(e)
                self._key = None
                raise KeyTokenError(
                    f"the token does not answer ({type(e).__name__})", code="token_not_available"
                ) from e

    def _refuse_pin_errors(self, error: pkcs11.PKCS11Error) -> None:
        if isinstance(error, PIN_ERRORS):
            self._pin_refused = True
            raise KeyTokenError(f"{self._uri}: the token does not take the PIN", code="pin_incorrect") from error

    def _private_key(self) -> Any:
        if self._key is None or self._generation != self._library.generation:
            self._key = find_one(self._open(), self._uri, ObjectClass.PRIVATE_KEY)
            self._generation = self._library.generation
        return self._key

    def _open(self) -> Any:
        if self._pin_refused:
            raise KeyTokenError(f"{self._uri}: the token does not take the PIN", code="pin_incorrect")
        return self._library.session(self._uri, self._pin)

    def _certificates(self) -> list[x509.Certificate]:
        stored = self._with_session(lambda: find_one(self._open(), self._uri, ObjectClass.CERTIFICATE)[Attribute.VALUE])
        try:
            return [x509.load_der_x509_certificate(stored)]
        except ValueError as e:
            raise KeyTokenError(f"{self._uri}: the certificate cannot be read", code="cert_not_found") from e
