"""OCSP answers about our own certificates, always fresh; and the look-up of another security server's answers.

  for each certificate: none --fetched, verified--> good until valid_until --fetched again at a third of that--> good
                        good --responder says revoked or unknown, verified--> none (at once)
                        good --responder silent or talking nonsense--> good, until it stops being fresh

Rule: an answer is verified by core before it is kept, when it is read back from disk, and by the signer before it is used.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus

from gateway.core.errors import CertificateStatusUnknown, GatewayError, MalformedMessage
from gateway.core.signing.certificates import der, find_issuer, ocsp_urls, sha256_hex
from gateway.core.signing.ocsp import MAX_RESPONSE, not_good, ocsp_request, stated_status
from gateway.core.signing.trust import CaCertificate, InstanceTrust
from gateway.signer.multipart import parse_ocsp_parts

_FETCH_INTERVAL = timedelta(seconds=1200)  # reference 4.6
_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=10)
_LOOKUP_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=20)  # reference 3.4
_FIRST_RETRY = timedelta(seconds=1)
_LAST_RETRY = timedelta(seconds=60)
_LONGEST_SLEEP = 10.0  # seconds; the wall clock may be set meanwhile

Clock = Callable[[], datetime]
OwnTrust = Callable[[datetime], InstanceTrust]


@dataclass(slots=True)
class _Watched:
    """One certificate of ours. `failures`: in a row; `problem`: the last one, in words."""

    certificate: x509.Certificate
    due: datetime | None = None
    response: bytes | None = None
    this_update: datetime | None = None
    valid_until: datetime | None = None
    failures: int = 0
    problem: str = ""


class OcspClient:
    """`own_trust`: (now) -> the own instance's trust; raises GatewayError while there is none. `directory`: made when missing.
    `interval`: the longest time between two fetches, asked anew each time."""

    def __init__(
        self,
        certificates: Sequence[x509.Certificate],
        own_trust: OwnTrust,
        clock: Clock,
        directory: Path,
        *,
        interval: Callable[[], timedelta] = lambda: _FETCH_INTERVAL,
    ) -> None:
        self._watched = {der(c): _Watched(c) for c in certificates}
        self._own_trust = own_trust
        self._clock = clock
        self._directory = directory
        self._interval = interval

    async def watch(self, certificates: Iterable[x509.Certificate]) -> None:
        """These certificates from now on; answers for new ones have been asked for on return."""
        watched = {der(c): self._watched.get(der(c)) or _Watched(c) for c in certificates}
        new = [w for c, w in watched.items() if c not in self._watched]
        self._watched = watched
        for w in new:
            self._recall(w)
        await self.refresh()

    def get(self, certificate: x509.Certificate) -> bytes | None:
        """DER OCSPResponse saying `good`, fresh now; None when there is none."""
        w = self._watched.get(der(certificate))
        if w is None or w.valid_until is None or w.valid_until < self._clock():
            return None
        return w.response

    def age(self, certificate: x509.Certificate) -> timedelta | None:
        """Since thisUpdate of the answer in hand, fresh or not; None when there is none."""
        w = self._watched.get(der(certificate))
        return None if w is None or w.this_update is None else self._clock() - w.this_update

    def problem(self, certificate: x509.Certificate) -> str | None:
        """Why the last fetch brought no good answer, in words; None when it did."""
        w = self._watched.get(der(certificate))
        return w.problem or None if w is not None else None

    async def start(self) -> None:
        """What is on disk and still fresh, then one round of fetching. Failures are left to `run` and to health."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for w in self._watched.values():
            self._recall(w)
        await self.refresh()

    async def run(self) -> None:
        """Keep every answer fresh, for ever."""
        while True:
            now = self._clock()
            due = min((w.due or now for w in self._watched.values()), default=now + _FETCH_INTERVAL)
            await asyncio.sleep(min(max((due - now).total_seconds(), 0.0), _LONGEST_SLEEP))
            await self.refresh()

    async def refresh(self, *, all_of_them: bool = False) -> None:
        """Fetch what is due, all at the same time."""
        now = self._clock()
        due = [w for w in self._watched.values() if all_of_them or w.due is None or w.due <= now]
        if due:
            async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session:
                await asyncio.gather(*(self._fetch(session, w) for w in due))

    # --- one certificate ------------------------------------------------------------------------------------------

    async def _fetch(self, session: aiohttp.ClientSession, w: _Watched) -> None:
        try:
            now = self._clock()
            trust = self._own_trust(now)
            _, ca = find_issuer(w.certificate, trust, now)
            await self._fetch_from(session, w, ca, trust)
        except GatewayError as e:
            w.problem = e.safe_detail
            w.due = self._clock() + min(_FIRST_RETRY * 2 ** min(w.failures, 10), _LAST_RETRY)
            w.failures += 1

    async def _fetch_from(
        self, session: aiohttp.ClientSession, w: _Watched, ca: CaCertificate, trust: InstanceTrust
    ) -> None:
        """From the first responder whose answer verifies, whether it says good or not."""
        failure: GatewayError = CertificateStatusUnknown(
            "Neither the global configuration nor the certificate names an OCSP responder"
        )
        for url in dict.fromkeys((*ca.ocsp_urls, *ocsp_urls(w.certificate))):
            try:
                response = await _ask(session, url, w.certificate, ca.certificate)
                if self._accept(w, response, ca, trust):
                    self._keep(w, response)
                return
            except _NotGood:
                self._forget(w)
                raise
            except GatewayError as e:
                failure = e
        raise failure

    def _accept(self, w: _Watched, response: bytes, ca: CaCertificate, trust: InstanceTrust) -> bool:
        """Take a verified answer into use; False when the one in hand is newer or the same. _NotGood, or another GatewayError
        that says nothing about the certificate."""
        now = self._clock()
        stated = stated_status(response, w.certificate, ca.certificate, ca, trust, now)
        if stated.status is not OCSPCertStatus.GOOD:
            raise _NotGood(not_good(stated.status).safe_detail)
        w.failures, w.problem = 0, ""
        newer = w.this_update is None or stated.this_update > w.this_update
        if newer:
            w.response, w.this_update, w.valid_until = response, stated.this_update, stated.valid_until
        left = (w.valid_until or now) - now
        w.due = now + max(min(self._interval(), left / 3), _FIRST_RETRY)
        return newer

    def _forget(self, w: _Watched) -> None:
        w.response = w.this_update = w.valid_until = None
        with suppress(OSError):  # what stays on disk is verified again when it is read
            self._file(w).unlink()

    def _keep(self, w: _Watched, response: bytes) -> None:
        """For the next start. If we crash here the old file stands: it is verified again when it is read."""
        file = self._file(w)
        new = file.with_suffix(".new")
        try:
            new.write_bytes(response)
            os.replace(new, file)
        except OSError as e:
            w.problem = f"The OCSP answer cannot be kept on disk: {e.strerror}"

    def _recall(self, w: _Watched) -> None:
        try:
            now = self._clock()
            trust = self._own_trust(now)
            _, ca = find_issuer(w.certificate, trust, now)
            self._accept(w, self._file(w).read_bytes(), ca, trust)
        except (OSError, GatewayError):
            w.due = None  # whatever is wrong with the old answer, a new one is fetched now

    def _file(self, w: _Watched) -> Path:
        return self._directory / f"{sha256_hex(w.certificate)}.ocsp"


class _NotGood(CertificateStatusUnknown):
    """The responder says in so many words that the certificate is revoked or unknown."""


async def _ask(
    session: aiohttp.ClientSession, url: str, certificate: x509.Certificate, issuer: x509.Certificate
) -> bytes:
    request = ocsp_request(certificate, issuer)
    headers = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}
    try:
        async with session.post(url, data=request, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise _unanswered(f"The OCSP responder answered with HTTP status {response.status}")
            return await _read(response, MAX_RESPONSE)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
        raise _unanswered("The OCSP responder cannot be reached") from e


async def fetch_from_server(host: str, port: int, certificates: Sequence[bytes]) -> tuple[bytes, ...]:
    """What a peer's 5577 listener has about its own certificates (DER): OCSP responses in the same order (reference 3.4).

    Not verified here. CertificateStatusUnknown when there is not one for each.
    """
    wanted = [("cert", hashlib.sha1(c, usedforsecurity=False).hexdigest()) for c in certificates]
    wanted += [("cert_hash", hashlib.sha256(c).hexdigest()) for c in certificates]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/?{urlencode(wanted)}"
    headers = {"Accept": "multipart/related"}
    try:
        async with (
            aiohttp.ClientSession(timeout=_LOOKUP_TIMEOUT, trust_env=False) as session,
            session.get(url, headers=headers, allow_redirects=False) as response,
        ):
            if not 200 <= response.status < 300:
                raise _unanswered("The security server has no OCSP answers for its certificates")
            body = await _read(response, (MAX_RESPONSE + 1024) * len(certificates))
            answers = parse_ocsp_parts(response.headers.get("Content-Type", ""), body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
        raise _unanswered("The security server's OCSP answers cannot be fetched") from e
    except MalformedMessage as e:
        raise CertificateStatusUnknown(e.safe_detail, code=e.code) from e
    if len(answers) != len(certificates):
        raise CertificateStatusUnknown("The security server sent another number of OCSP answers than asked for")
    return answers


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > limit:
            raise _unanswered("An OCSP answer is oversized")
    return bytes(data)


def _unanswered(what: str) -> CertificateStatusUnknown:
    return CertificateStatusUnknown(what, code="ocsp_connection_error")
