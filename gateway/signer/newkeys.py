"""New keys, in encrypted files or on PKCS#11 tokens, which keep what was made on them.

The first thing a new key signs is its certificate request; `tokens/` opens it once it has a certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from gateway.core.signing.algorithms import PrivateKey, PublicKey, sign_der
from gateway.core.signing.requests import KeyType, request_algorithm
from gateway.settings.pkcs11uri import Pkcs11Uri


@dataclass(frozen=True, slots=True)
class NewKey:
    """`sign`: with `request_algorithm`, an ECDSA value as DER. KeyTokenError when the token cannot."""

    public_key: PublicKey
    sign: Callable[[bytes], bytes]


def new_file_key(kind: KeyType, pin: str) -> tuple[NewKey, bytes]:
    """And what is to stand in its file: PKCS#8 in PEM form, encrypted under `pin`."""
    key = _generate(kind)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(pin.encode()))
    return NewKey(key.public_key(), partial(sign_der, key, request_algorithm(key.public_key()))), pem


def new_token_key(kind: KeyType, uri: Pkcs11Uri, pin: str | None) -> NewKey:
    """Made on the token, under the URI's object name, and not extractable. KeyTokenError when there is one of this name already, or
    the token cannot."""
    from gateway.signer.tokens.generation import (
        generate_on_token,
    )  # its library is only for those who have such a token

    public_key, sign = generate_on_token(kind, uri, pin)
    return NewKey(public_key, sign)


def _generate(kind: KeyType) -> PrivateKey:
    match kind:
        case KeyType.EC_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.EC_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.RSA_2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case KeyType.RSA_3072:
            return rsa.generate_private_key(public_exponent=65537, key_size=3072)
