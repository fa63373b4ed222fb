"""Key-encryption keys on a PKCS#11 token: AES-256 keys that never leave it. The token wraps and unwraps data keys itself, with
CKM_AES_GCM and our nonce, so what it makes is the same envelope that a key in a file would have made.
"""

from __future__ import annotations

from typing import Any

import pkcs11
from cryptography.exceptions import InvalidTag
from pkcs11 import GCMParams, Mechanism, ObjectClass

from gateway.core.errors import MalformedMessage
from gateway.settings.pkcs11uri import parse_pkcs11_uri
from gateway.signer.tokens.cryptoki import TokenObject

_TAG_BITS = 128


class TokenSealKey:
    """A Cipher. Every method may take as long as the device takes; KeyTokenError when it cannot."""

    def __init__(self, uri: str, pin: str | None) -> None:
        """Opens nothing yet. MalformedMessage when it is not a PKCS#11 URI."""
        try:
            self._key = TokenObject(parse_pkcs11_uri(uri), pin, ObjectClass.SECRET_KEY)
        except ValueError as e:
            raise MalformedMessage(f"PKCS#11 URI: {e}") from e

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        return self._key.use(lambda key: _encrypt(key, nonce, data, associated_data))

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """InvalidTag when it is not what `encrypt` made."""

        def work(key: Any) -> bytes | None:
            try:
                return bytes(
                    key.decrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, associated_data))
                )
            except pkcs11.PKCS11Error:
                # Tokens have no error of their own for a wrong tag: one that still encrypts is there, and does not take the data.
                _encrypt(key, nonce, b"", associated_data)
                return None

        found = self._key.use(work)
        if found is None:
            raise InvalidTag
        return found


def _encrypt(key: Any, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
    return bytes(key.encrypt(data, mechanism=Mechanism.AES_GCM, mechanism_param=_gcm(nonce, associated_data)))


def _gcm(nonce: bytes, associated_data: bytes | None) -> GCMParams:
    return GCMParams(nonce, associated_data, _TAG_BITS)
