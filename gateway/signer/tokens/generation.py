"""A key pair made on a PKCS#11 token, and the signature of its certificate request. The private key never leaves the token."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import Attribute, Mechanism, ObjectClass
from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

from gateway.core.errors import KeyTokenError
from gateway.core.signing.algorithms import PublicKey
from gateway.core.signing.requests import KeyType, request_algorithm
from gateway.settings.pkcs11uri import Pkcs11Uri
from gateway.signer.tokens.cryptoki import PIN_ERRORS, find_one, library, template

T = TypeVar("T")

_CURVES = {KeyType.EC_P256: "secp256r1", KeyType.EC_P384: "secp384r1"}
_RSA_BITS = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072}
_KEPT = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}


def generate_on_token(kind: KeyType, uri: Pkcs11Uri, pin: str | None) -> tuple[PublicKey, Callable[[bytes], bytes]]:
    """The public key, and how to sign with the private one (`request_algorithm`, ECDSA as DER). KeyTokenError."""
    if uri.object is None:
        raise KeyTokenError("a new key needs a name: object= in its PKCS#11 URI", code="key_not_found")
    public_key = _in_thread(uri, lambda: _generate(kind, uri, pin))
    return public_key, lambda data: _in_thread(uri, partial(_sign, uri, pin, public_key, data))


def _in_thread(uri: Pkcs11Uri, work: Callable[[], T]) -> T:
    try:
        return library(uri.module).call(work)
    except PIN_ERRORS as e:
        raise KeyTokenError(f"{uri}: the token does not take the PIN", code="pin_incorrect") from e
    except pkcs11.PKCS11Error as e:
        raise KeyTokenError(f"{uri}: the token refuses ({type(e).__name__})", code="token_not_available") from e


# --- in the library's thread -------------------------------------------------------------------------------------------


def _generate(kind: KeyType, uri: Pkcs11Uri, pin: str | None) -> PublicKey:
    with library(uri.module).writing(uri, pin) as session:
        named = replace(uri, id=None)
        if any(
            list(session.get_objects(template(named, c))) for c in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
        ):
            raise KeyTokenError(f"{uri}: there is a key of this name already", code="key_not_available")
        how = {"store": True, "label": uri.object, "id": uri.id or secrets.token_bytes(8), "private_template": _KEPT}
        if kind in _RSA_BITS:
            public, _ = session.generate_keypair(pkcs11.KeyType.RSA, _RSA_BITS[kind], **how)
            numbers = (int.from_bytes(public[a], "big") for a in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS))
            return rsa.RSAPublicNumbers(*numbers).public_key()
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[kind])}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
        public, _ = parameters.generate_keypair(**how)
        key = load_der_public_key(encode_ec_public_key(public))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return key


def _sign(uri: Pkcs11Uri, pin: str | None, public_key: PublicKey, data: bytes) -> bytes:
    key: Any = find_one(library(uri.module).session(uri, pin), uri, ObjectClass.PRIVATE_KEY)
    if isinstance(public_key, rsa.RSAPublicKey):
        return bytes(key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))
    digest = hashlib.new(request_algorithm(public_key).digest.name.lower(), data).digest()
    raw = bytes(key.sign(digest, mechanism=Mechanism.ECDSA))
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
