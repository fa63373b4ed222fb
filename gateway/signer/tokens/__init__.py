"""Kinds of key tokens by URI scheme.

A new kind: a file here, a row in `TOKENS`, a parameter in tests/contract/test_key_token.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cryptography import x509

from gateway.core.errors import KeyTokenError
from gateway.core.signing.algorithms import SignatureAlgorithm
from gateway.signer.tokens.software import SoftwareToken


class KeyToken(Protocol):
    """One private key and its certificate. An expired certificate is a matter of health, not of the token."""

    @property
    def certificate(self) -> x509.Certificate: ...

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        """Issuers from the certificate upwards, without the root."""

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """What this key signs messages with."""

    @property
    def slow(self) -> bool:
        """A signature takes longer than handing it to a thread (about 50 µs)."""

    def sign(self, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
        """XML-DSig signature value (ECDSA: raw r‖s). KeyTokenError when the token cannot. May be called from a thread."""

    def export_key(self) -> bytes:
        """PKCS#8 PEM, for TLS, which takes keys from files only. KeyTokenError when the token keeps its key."""


class TokenKind(Protocol):
    def __call__(self, location: str, *, pin: str | None, certificate: Path | None, pss: bool) -> KeyToken: ...


def _open_pkcs11(location: str, *, pin: str | None, certificate: Path | None, pss: bool) -> KeyToken:
    from gateway.signer.tokens.pkcs11 import Pkcs11Token  # its library is only for those who have such a token

    return Pkcs11Token.load(location, pin=pin, certificate=certificate, pss=pss)


TOKENS: dict[str, TokenKind] = {
    "file": SoftwareToken.load,
    "pkcs11": _open_pkcs11,
}


def open_token(
    reference: str, *, pin: str | None = None, certificate: Path | None = None, pss: bool = False
) -> KeyToken:
    """`reference`: scheme and location, `file:keys/sign.p12`. `certificate`: PEM, when it is not in the token itself.
    `pss`: an RSA key signs messages with RSA-PSS. KeyTokenError says in words what is wrong."""
    scheme, _, location = reference.partition(":")
    kind = TOKENS.get(scheme)
    if kind is None or not location:
        raise KeyTokenError(
            f"a key token is one of {', '.join(TOKENS)}, a colon and a location", code="token_not_found"
        )
    return kind(location, pin=pin, certificate=certificate, pss=pss)
