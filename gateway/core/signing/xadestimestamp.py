"""The single time-stamp in a signature: a SignatureTimeStamp, first among the unsigned properties (reference 4.7).

It stamps the octets of the SignatureValue, so it is put in after signing and changes nothing that was signed; only the digest of
the whole XML becomes another one.
"""

from __future__ import annotations

import re
from binascii import b2a_base64

from gateway.core.errors import MalformedMessage
from gateway.core.signing.xadesfast import parse_signature

_PROPERTIES = re.compile(rb"<((?:[A-Za-z_][A-Za-z0-9._-]*:)?)UnsignedSignatureProperties>")
_PROPERTY = b"<%(p)sSignatureTimeStamp><%(p)sEncapsulatedTimeStamp>%(token)s</%(p)sEncapsulatedTimeStamp></%(p)sSignatureTimeStamp>"


def with_timestamp(signature: bytes, token: bytes) -> bytes:
    """The signature XML with this token (DER) in it. MalformedMessage when there is no signature or no place for the token."""
    before = parse_signature(signature)
    found = _PROPERTIES.findall(signature)
    if len(found) == 1:
        own = _PROPERTY % {b"p": found[0], b"token": b2a_base64(token, newline=False)}
        stamped = _PROPERTIES.sub(lambda m: m[0] + own, signature)
        after = parse_signature(stamped)
        if after.timestamps == (token, *before.timestamps) and after.value == before.value:
            return stamped
    raise MalformedMessage(
        "The signature has no place for a time-stamp", code="signature_verification.malformed_signature"
    )
