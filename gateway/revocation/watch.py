"""Are the certificates of others still good? We ask their authority's responder ourselves: soon after one is first seen, then as
often as for our own.

A security server brings OCSP answers for its own certificates (reference 3.5, 4.4), and would be believed until the last good one
is too old. What is watched is whatever there is a verdict on, so nothing is asked in the way of an exchange.

  good --responder says revoked, verified--> refused at once, by both kinds of verdicts
  refused --responder says good again, verified--> good (it was on hold)
  either --responder silent, unknown or talking nonsense--> as before; the answers that servers bring still run out
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import aiohttp
from cryptography.x509.ocsp import OCSPCertStatus

from gateway.core.errors import CertificateStatusUnknown, GatewayError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.signing.certificates import find_issuer, ocsp_urls, parse_certificate
from gateway.core.signing.ocsp import stated_status
from gateway.core.signing.revoked import RevokedCertificates
from gateway.revocation.fetching import fetch_answer, open_session

_AT_ONCE = 8
_LOOK_SECONDS = 5.0  # how often we look for certificates that are due

_log = logging.getLogger(__name__)


class Verdicts(Protocol):
    def certificates(self) -> Iterable[tuple[str, bytes]]:
        """Instance and DER of every certificate there is a verdict on."""


@dataclass(frozen=True, slots=True)
class _Asked:
    at: datetime
    answered: bool


class RevocationWatch:
    """`globalconf`: the configuration in force; it raises GatewayError while there is none. `interval`: between two questions about
    the same certificate, asked anew each time."""

    def __init__(
        self,
        verdicts: Iterable[Verdicts],
        revoked: RevokedCertificates,
        globalconf: Callable[[], GlobalConfiguration],
        clock: Callable[[], datetime],
        interval: Callable[[], timedelta],
    ) -> None:
        self._verdicts = tuple(verdicts)
        self._revoked = revoked
        self._globalconf = globalconf
        self._clock = clock
        self._interval = interval
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._asked: dict[tuple[str, bytes], _Asked] = {}

    @property
    def refused(self) -> int:
        """Certificates that are refused now."""
        return len(self._revoked)

    @property
    def unanswered(self) -> int:
        """Certificates about which the last question brought no answer to be believed."""
        return sum(not asked.answered for asked in self._asked.values())

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.round()

    async def round(self) -> None:
        """Ask about every certificate that there is a verdict on and that is due."""
        now, interval = self._clock(), self._interval()
        watched = {found for verdicts in self._verdicts for found in verdicts.certificates()}
        self._asked = {found: asked for found, asked in self._asked.items() if found in watched}
        due = [w for w in watched if w not in self._asked or not timedelta() <= now - self._asked[w].at < interval]
        if not due:
            return
        async with open_session() as session:
            answered = await asyncio.gather(*(self._look(session, *found) for found in due))
        self._asked |= {found: _Asked(now, told) for found, told in zip(due, answered, strict=True)}

    async def _look(self, session: aiohttp.ClientSession, instance: str, der: bytes) -> bool:
        """Whether somebody who may say so has said how this certificate is."""
        async with self._room:
            try:
                status = await self._ask(session, instance, der)
            except GatewayError:  # nothing was learned: what there is of verdicts stands, and runs out by itself
                return False
        if status is OCSPCertStatus.REVOKED and der not in self._revoked:
            self._revoked.add(der)
            _log.warning("a certificate of another security server or member is revoked, and refused from now on")
        elif status is OCSPCertStatus.GOOD:
            self._revoked.lift(der)
        return status is not OCSPCertStatus.UNKNOWN

    async def _ask(self, session: aiohttp.ClientSession, instance: str, der: bytes) -> OCSPCertStatus:
        """The first responder whose answer is to be believed decides."""
        certificate, now = parse_certificate(der), self._clock()
        trust = self._globalconf().trust(instance, now)
        _, ca = find_issuer(certificate, trust, now)
        failure: GatewayError | None = None
        for url in dict.fromkeys((*ca.ocsp_urls, *ocsp_urls(certificate))):
            try:
                response = await fetch_answer(session, url, certificate, ca.certificate)
                return stated_status(response, certificate, ca.certificate, ca, trust, self._clock()).status
            except GatewayError as e:
                failure = e
        raise failure or CertificateStatusUnknown("No OCSP responder is named for the certificate")
