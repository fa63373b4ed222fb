"""The trust role over HTTP: OCSP answers at /ocsp, time-stamps at /tsa, revocation lists at /crl/<name>.crl."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from aiohttp import web
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.signing.certificates import is_issued_by, is_time_stamper
from gateway.settings.common import load_certificates
from gateway.settings.trust import (
    AuthoritySettings,
    ResponderSettings,
    RevocationListSettings,
    TimeStampingSettings,
    TrustSettings,
)
from gateway.trust.authority import Identity
from gateway.trust.listing import RevocationListing
from gateway.trust.responder import Clock, OcspResponder, build_responder_app
from gateway.trust.serials import SerialNumbers
from gateway.trust.status import CertificateIndex
from gateway.trust.timestamping import TimeStampingAuthority

_QUERY_TYPE = "application/timestamp-query"
_REPLY_TYPE = "application/timestamp-reply"


def build_trust_app(settings: TrustSettings, clock: Clock = lambda: datetime.now(UTC)) -> web.Application:
    """The application for `settings.listen`. SettingsError when keys and certificates do not fit together."""
    app = build_responder_app(load_responder(settings), clock)
    if settings.tsa is not None:
        add_time_stamping(app, load_time_stamper(settings.tsa), clock)
    if settings.lists:
        add_revocation_lists(app, {name: load_list(found) for name, found in settings.lists.items()}, clock)
    return app


def load_list(settings: RevocationListSettings) -> RevocationListing:
    return RevocationListing(load_identity(settings), CertificateIndex(settings.status), settings.valid_for)


def add_revocation_lists(app: web.Application, lists: Mapping[str, RevocationListing], clock: Clock) -> None:
    """RFC 5280 4.2.1.13: a list in DER. Signed anew for whoever asks, so that a revocation shows in the next one."""

    async def get(request: web.Request) -> web.Response:
        listing = lists.get(request.match_info["name"])
        if listing is None:
            raise web.HTTPNotFound
        try:
            body = await asyncio.to_thread(listing.signed, clock())
        except (OSError, MalformedMessage) as e:
            raise web.HTTPInternalServerError from e  # an unreadable index is not an empty list
        return web.Response(body=body, content_type="application/pkix-crl", headers={"Cache-Control": "no-store"})

    app.router.add_get("/crl/{name}.crl", get)


def load_responder(settings: TrustSettings) -> OcspResponder:
    authority = load_certificates(settings.ca.certificate)[0]
    signer = load_identity(settings.ocsp)
    if signer.certificate != authority and not is_issued_by(signer.certificate, authority):
        raise SettingsError(
            [f"{settings.ocsp.certificate}: the OCSP signer was not issued by {settings.ca.certificate}"]
        )
    return OcspResponder(authority, signer, CertificateIndex(settings.status), settings.ocsp.valid_for)


def load_time_stamper(settings: TimeStampingSettings) -> TimeStampingAuthority:
    signer = load_identity(settings)
    if not is_time_stamper(signer.certificate):
        raise SettingsError(
            [f"{settings.certificate}: its extended key usage must be timeStamping alone, critical (RFC 3161 2.3)"]
        )
    accuracy = max(1, settings.accuracy // timedelta(seconds=1))
    return TimeStampingAuthority(signer, settings.policy, accuracy, SerialNumbers(settings.serials).take)


def add_time_stamping(app: web.Application, authority: TimeStampingAuthority, clock: Clock) -> None:
    """RFC 3161 3.4. Whatever comes in as a query gets a reply; the status stands in it."""

    async def post(request: web.Request) -> web.Response:
        if request.content_type != _QUERY_TYPE:
            raise web.HTTPUnsupportedMediaType
        reply = authority.answer(await request.read(), clock())
        return web.Response(body=reply, content_type=_REPLY_TYPE, headers={"Cache-Control": "no-store"})

    app.router.add_post("/tsa", post)


def load_identity(
    settings: AuthoritySettings | ResponderSettings | RevocationListSettings | TimeStampingSettings,
) -> Identity:
    """SettingsError when the key cannot be opened or is not the certificate's."""
    certificate = load_certificates(settings.certificate)[0]
    pin = settings.pin.read().encode() if settings.pin else None
    try:
        key = load_pem_private_key(settings.key.read_bytes(), pin)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise SettingsError([f"{settings.key}: cannot be opened: no private key in PEM form, or a wrong pin"]) from e
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SettingsError([f"{settings.key}: keys are RSA or elliptic curve"])
    if key.public_key() != certificate.public_key():
        raise SettingsError([f"{settings.key}: not the key of {settings.certificate}"])
    return Identity(key, certificate)
