"""OCSP responder (RFC 6960; reference 4.6). Every answer is made and signed anew: a revocation shows in the next one.

An answer echoes the CertID as it was asked. X-Road compares SHA-1 CertIDs (reference 4.6); the hash only names the issuer, the
answer itself is signed with SHA-256.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPResponseStatus as Failure

from gateway.core.errors import GatewayError
from gateway.trust.authority import Identity
from gateway.trust.status import CertificateIndex

_MAX_REQUEST = 4096  # bytes; a request for one certificate has about 120
_MAX_NONCE = 128  # bytes; RFC 9654 2.1
_REQUEST_TYPE = "application/ocsp-request"
_RESPONSE_TYPE = "application/ocsp-response"

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class OcspResponder:
    """Answers for the certificates of one CA. `signer` is the CA itself or was issued by it for OCSPSigning."""

    authority: x509.Certificate
    signer: Identity
    index: CertificateIndex
    valid_for: timedelta

    def answer(self, request: bytes, now: datetime) -> bytes:
        """DER OCSPResponse to the DER OCSPRequest; whatever comes in, something valid goes out."""
        try:
            asked = ocsp.load_der_ocsp_request(request)
            extensions = asked.extensions
            algorithm = asked.hash_algorithm
        except (ValueError, NotImplementedError, UnsupportedAlgorithm, x509.DuplicateExtension):
            return _failure(Failure.MALFORMED_REQUEST)  # NotImplementedError: several certificates in one request
        nonce = _nonce(extensions)
        if asked.serial_number < 0:
            return _failure(Failure.MALFORMED_REQUEST)  # RFC 5280 4.1.2.2; and it could not be answered
        if any(e.critical and e.value is not nonce for e in extensions) or not _nonce_fits(nonce):
            return _failure(Failure.MALFORMED_REQUEST)
        if (asked.issuer_name_hash, asked.issuer_key_hash) != _issuer_hashes(self.authority, algorithm):
            return _failure(Failure.UNAUTHORIZED)  # RFC 6960 2.3: this responder cannot speak for that issuer
        try:
            return self._sign(asked, algorithm, nonce, now.astimezone(UTC).replace(microsecond=0))
        except (OSError, GatewayError):
            return _failure(Failure.INTERNAL_ERROR)  # an unreadable index is not "good"

    def _sign(
        self, asked: ocsp.OCSPRequest, algorithm: hashes.HashAlgorithm, nonce: x509.OCSPNonce | None, now: datetime
    ) -> bytes:
        entry = self.index.find(asked.serial_number)
        revocation = entry.revocation if entry is not None else None
        if entry is None:
            status = ocsp.OCSPCertStatus.UNKNOWN
        else:
            status = ocsp.OCSPCertStatus.REVOKED if revocation else ocsp.OCSPCertStatus.GOOD
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                asked.issuer_name_hash,
                asked.issuer_key_hash,
                asked.serial_number,
                algorithm,
                status,
                now,
                now + self.valid_for,
                revocation.time if revocation else None,
                _printed_reason(revocation.reason) if revocation else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.signer.certificate)
            .certificates([self.signer.certificate])
        )
        if nonce is not None:
            builder = builder.add_extension(nonce, critical=False)
        return builder.sign(self.signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _printed_reason(reason: x509.ReasonFlags) -> x509.ReasonFlags | None:
    return None if reason is x509.ReasonFlags.unspecified else reason  # RFC 5280 5.3.1: left out


def _nonce(extensions: x509.Extensions) -> x509.OCSPNonce | None:
    return next((e.value for e in extensions if isinstance(e.value, x509.OCSPNonce)), None)


def _nonce_fits(nonce: x509.OCSPNonce | None) -> bool:
    return nonce is None or 0 < len(nonce.nonce) <= _MAX_NONCE


def _issuer_hashes(authority: x509.Certificate, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    """Of the issuer's name and public key bits (RFC 6960 4.1.1). They identify; nothing is protected by them."""
    return tuple(  # type: ignore[return-value]
        hashlib.new(algorithm.name, data, usedforsecurity=False).digest()
        for data in (authority.subject.public_bytes(), _key_bits(authority))
    )


def _key_bits(authority: x509.Certificate) -> bytes:
    key = authority.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _failure(status: Failure) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


# --- HTTP (RFC 6960, appendix A) -----------------------------------------------------------------------------------


def build_responder_app(responder: OcspResponder, clock: Clock) -> web.Application:
    async def post(request: web.Request) -> web.Response:
        if request.content_type != _REQUEST_TYPE:
            raise web.HTTPUnsupportedMediaType
        return _reply(responder.answer(await request.read(), clock()))

    async def get(request: web.Request) -> web.Response:
        try:
            asked = base64.b64decode(request.match_info["request"], validate=True)
        except (binascii.Error, ValueError):
            asked = b""
        return _reply(responder.answer(asked, clock()))

    app = web.Application(client_max_size=_MAX_REQUEST)
    app.router.add_post("/ocsp", post)
    app.router.add_get("/ocsp/{request:.+}", get)
    return app


def _reply(der: bytes) -> web.Response:
    return web.Response(body=der, content_type=_RESPONSE_TYPE, headers={"Cache-Control": "no-store"})
