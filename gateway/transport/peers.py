"""Links to the provider's security servers: choose an address, shake hands, judge the certificate, deliver, read the answer.

Rule: a `Link` gets into `_Verified` only through `PeerVerdicts.verify`, and only a `_Verified` link is ever written to.
A peer's OCSP answers are asked for again after the instance's fetch interval (reference 4.6, 7.7), on kept links too: a server that
was revoked is refused then, although its last good answer would stay fresh for longer.
Another address is tried only while nothing of the message was sent (reference 3.2, 9.3).
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from asyncio.staggered import staggered_race
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from gateway.core.errors import (
    AuthenticationFailed,
    GatewayError,
    KeyTokenError,
    PeerRejected,
    PeerUnavailable,
)
from gateway.core.framing.transport import FramingLimits
from gateway.core.globalconf.model import GlobalConfiguration, SecurityServer
from gateway.core.identifiers import ClientId
from gateway.exchange.peers import PeerVerdicts, as_peer_failure
from gateway.exchange.ports import BodySink, Clock, GlobalConf, PeerReply
from gateway.exchange.states import LoggedRequest
from gateway.transport.favourites import Favourites
from gateway.transport.link import Link
from gateway.transport.patience import Patience
from gateway.transport.peer_message import encode_request, read_reply
from gateway.transport.tls import Profile, peer_client_context, shown_chain

_NEXT_ADDRESS_AFTER = 0.25  # seconds until a second address is tried beside a silent first one


class AuthenticationKey(Protocol):
    """This server's authentication certificate and key."""

    def load_into(self, context: ssl.SSLContext) -> None: ...

    def ocsp_responses(self) -> tuple[bytes, ...]:
        """DER, for the certificate and each intermediate that is sent; empty when there is no good answer now."""


class AuthenticationKeys(Protocol):
    def current(self) -> AuthenticationKey:
        """The key to show; the same object until another takes over."""


FetchOcsp = Callable[[str, int, Sequence[bytes]], Awaitable[tuple[bytes, ...]]]


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """Seconds; in `answer_timeout` the other server must take or give something (the provider's service time-out comes first,
    reference 3.2): a large body may take as long as it takes."""

    port: int = 5500
    ocsp_port: int = 5577
    profile: Profile = "strict"
    connect_timeout: float = 30.0
    answer_timeout: float = 600.0
    keep_idle: float = 30.0


@dataclass(frozen=True, slots=True)
class _Answers:
    """A peer's OCSP answers for the certificates it shows, and when it was asked for them."""

    der: tuple[bytes, ...]
    asked: datetime

    def are_recent(self, trust: GlobalConfiguration, now: datetime) -> bool:
        return self.asked <= now < self.asked + trust.options.ocsp_fetch_interval


@dataclass(slots=True)
class _Verified:
    link: Link
    address: str
    key: AuthenticationKey
    chain: tuple[bytes, ...]
    ocsp: _Answers
    idle_since: float = 0.0


class PeerLinks:
    """The Peer port. `handshakes` counts TLS handshakes made."""

    def __init__(
        self,
        options: PeerOptions,
        keys: AuthenticationKeys,
        globalconf: GlobalConf,
        clock: Clock,
        verdicts: PeerVerdicts,
        fetch_ocsp: FetchOcsp,
        new_body: Callable[[], BodySink],
        limits: FramingLimits,
    ) -> None:
        self._options = options
        self._keys = keys
        self._globalconf = globalconf
        self._clock = clock
        self._verdicts = verdicts
        self._fetch_ocsp = fetch_ocsp
        self._new_body = new_body
        self._limits = limits
        self._context: tuple[AuthenticationKey, ssl.SSLContext] | None = None
        self._idle: dict[str, deque[_Verified]] = {}
        self._favourites = Favourites()
        self._ocsp: dict[bytes, _Answers] = {}
        self._patience = Patience()
        self.handshakes = 0

    async def send(self, request: LoggedRequest) -> PeerReply:
        provider = request.signed.received.request.service.client
        key = self._keys.current()
        ocsp = key.ocsp_responses()
        if not ocsp:
            raise KeyTokenError(
                "No OCSP answer for our own authentication certificate", code="ssl_authentication_failed"
            )
        verified = await self._verified_link(request.signed.routed.servers, provider, key)
        link = verified.link
        self._patience.begin(link, self._options.answer_timeout)
        try:
            head, framed = encode_request(request, ocsp, verified.address, self._options.port)
            answer = await link.request(head, framed)
            reply = await read_reply(link, answer, self._new_body, self._limits)
        except TimeoutError as e:
            raise PeerUnavailable("The provider's security server did not answer in time", code="io_error") from e
        else:
            if link.exchange_done():
                self._put_back(verified)
            return reply
        finally:
            self._patience.end(link)
            if not link.reusable:
                link.close()

    async def close(self) -> None:
        self._patience.close()
        for links in self._idle.values():
            for verified in links:
                verified.link.close()
        self._idle.clear()

    # --- choosing and connecting ----------------------------------------------------------------------------------

    async def _verified_link(
        self, servers: Sequence[SecurityServer], provider: ClientId, key: AuthenticationKey
    ) -> _Verified:
        addresses = [s.address for s in servers if s.address]
        if len(addresses) > 1:
            random.shuffle(addresses)
        winner = self._favourites.of(addresses)
        if winner is not None:
            addresses.sort(key=lambda a: a != winner)
            if (kept := self._take_idle(winner, provider, key)) is not None:
                return kept
        verified = await self._race(addresses, provider, key)
        self._favourites.won(addresses, verified.address)
        return verified

    def _take_idle(self, address: str, provider: ClientId, key: AuthenticationKey) -> _Verified | None:
        """A link on which `key` was shown: the OCSP answers in a request are those of the certificate that the peer saw."""
        links = self._idle.get(address)
        while links:
            verified = links.pop()
            fresh = time.monotonic() - verified.idle_since < self._options.keep_idle
            if verified.key is key and verified.link.reusable and fresh and self._still_good(verified, provider):
                return verified
            verified.link.close()
        return None

    def _still_good(self, verified: _Verified, provider: ClientId) -> bool:
        """The certificate may have been revoked or unregistered since the handshake, and this may be another provider."""
        try:
            trust, now = self._globalconf.current(), self._clock()
            self._verdicts.verify(verified.chain, verified.ocsp.der, trust, provider, now)
        except GatewayError:
            return False  # a new handshake will say why
        return verified.ocsp.are_recent(trust, now)

    def _put_back(self, verified: _Verified) -> None:
        verified.idle_since = time.monotonic()
        links = self._idle.setdefault(verified.address, deque())
        while links and verified.idle_since - links[0].idle_since > self._options.keep_idle:
            links.popleft().link.close()
        links.append(verified)

    async def _race(self, addresses: Sequence[str], provider: ClientId, key: AuthenticationKey) -> _Verified:
        attempts = [partial(self._connect, address, provider, key) for address in addresses]
        winner: _Verified | None
        winner, _, errors = await staggered_race(attempts, _NEXT_ADDRESS_AFTER)
        if winner is not None:
            return winner
        for error in errors:
            if isinstance(error, AuthenticationFailed):
                raise error
        for error in errors:
            if error is not None and not isinstance(error, PeerUnavailable):
                raise error
        raise PeerUnavailable(f"Could not connect to any target host ({', '.join(addresses)})")

    async def _connect(self, address: str, provider: ClientId, key: AuthenticationKey) -> _Verified:
        options = self._options
        loop = asyncio.get_running_loop()
        link: Link | None = None
        try:
            async with asyncio.timeout(options.connect_timeout):
                self.handshakes += 1
                _, link = await loop.create_connection(Link, address, options.port, ssl=self._context_with(key))
                return await self._verify(link, address, provider, key)
        except BaseException as e:  # raised again: no connection is left open
            if link is not None:
                link.close()
            if isinstance(e, ssl.SSLError):
                raise PeerRejected("TLS handshake with the provider's security server failed") from e
            if isinstance(e, OSError):  # TimeoutError is one
                raise PeerUnavailable(f"Could not connect to {address}:{options.port}") from e
            raise

    def _context_with(self, key: AuthenticationKey) -> ssl.SSLContext:
        if self._context is None or self._context[0] is not key:
            context = peer_client_context(self._options.profile)
            key.load_into(context)
            self._context = (key, context)
        return self._context[1]

    async def _verify(self, link: Link, address: str, provider: ClientId, key: AuthenticationKey) -> _Verified:
        chain = shown_chain(link.tls)
        if not chain:
            raise PeerRejected("The other security server showed no certificate")
        trust, now = self._globalconf.current(), self._clock()
        remembered = self._ocsp.get(chain[0])
        if remembered is not None and remembered.are_recent(trust, now):
            try:
                self._verdicts.verify(chain, remembered.der, trust, provider, now)
                return _Verified(link, address, key, chain, remembered)
            except AuthenticationFailed:
                del self._ocsp[chain[0]]  # too old by now, perhaps; ask again
        try:
            ocsp = _Answers(await self._fetch_ocsp(address, self._options.ocsp_port, chain), now)
            self._verdicts.verify(chain, ocsp.der, trust, provider, now)
        except AuthenticationFailed as e:
            raise as_peer_failure(e) from e
        self._ocsp[chain[0]] = ocsp
        return _Verified(link, address, key, chain, ocsp)
