"""A journal over the ports of an exchange: every call to the world in order, and any of them made to fail.

journal = Journal()
ports = journal.client_side(ports)
journal.fail("log request", EvidenceUnavailable("disk full"))            # before it did anything: lost
journal.fail("log request", EvidenceUnavailable("..."), kept=True)       # after it did everything: kept
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from gateway.core.disclosure.contract import Sensitivity
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.identifiers import MemberId
from gateway.core.serverconf.model import ServerConf
from gateway.core.signing.xades import SigningCredential
from gateway.exchange.client_side import ClientSide
from gateway.exchange.ports import (
    ClientMessageLog,
    Clock,
    DisclosureLog,
    GlobalConf,
    Peer,
    PeerReply,
    ServerConfSource,
    ServerMessageLog,
    ServicePort,
    Signer,
)
from gateway.exchange.server_side import ServerSide
from gateway.exchange.states import (
    AnsweredRequest,
    AuthenticResponse,
    DisclosedRefusal,
    DisclosedReply,
    DisclosedRequest,
    DispatchableRequest,
    FailedRequest,
    LoggedReply,
    LoggedRequest,
    LoggedResponse,
    RecordedAnswer,
    RecordedFailure,
    RecordedRefusal,
    ServiceReply,
    SignedRequest,
    SignedResponse,
)

T = TypeVar("T")


class Journal:
    """`calls`: one word or two for each call, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._failures: dict[str, tuple[Exception, bool]] = {}

    def fail(self, call: str, error: Exception, *, kept: bool = False) -> None:
        """`call` raises `error`; with `kept` only after the real port has done its work."""
        self._failures[call] = (error, kept)

    def client_side(self, ports: ClientSide) -> ClientSide:
        return replace(
            ports,
            clock=self._clock(ports.clock),
            globalconf=_GlobalConf(self, ports.globalconf),
            serverconf=_ServerConf(self, ports.serverconf),
            signer=_Signer(self, ports.signer),
            log=_ClientLog(self, ports.log),
            peer=_Peer(self, ports.peer),
        )

    def server_side(self, ports: ServerSide) -> ServerSide:
        return replace(
            ports,
            clock=self._clock(ports.clock),
            globalconf=_GlobalConf(self, ports.globalconf),
            serverconf=_ServerConf(self, ports.serverconf),
            signer=_Signer(self, ports.signer),
            log=_ServerLog(self, ports.log),
            disclosure=_Disclosure(self, ports.disclosure),
            service=_Service(self, ports.service),
        )

    def _clock(self, clock: Clock) -> Clock:
        return lambda: self.made("time", clock)

    def made(self, call: str, do: Callable[[], T]) -> T:
        self.calls.append(call)
        error, kept = self._failures.get(call, (None, False))
        if error is not None and not kept:
            raise error
        result = do()
        if error is not None:
            raise error
        return result

    async def awaited(self, call: str, do: Callable[[], Awaitable[T]]) -> T:
        self.calls.append(call)
        error, kept = self._failures.get(call, (None, False))
        if error is not None and not kept:
            raise error
        result = await do()
        if error is not None:
            raise error
        return result


class _GlobalConf:
    def __init__(self, journal: Journal, port: GlobalConf) -> None:
        self._journal, self._port = journal, port

    def current(self) -> GlobalConfiguration:
        return self._journal.made("globalconf", self._port.current)


class _ServerConf:
    def __init__(self, journal: Journal, port: ServerConfSource) -> None:
        self._journal, self._port = journal, port

    def current(self) -> ServerConf:
        return self._journal.made("serverconf", self._port.current)


class _Signer:
    def __init__(self, journal: Journal, port: Signer) -> None:
        self._journal, self._port = journal, port

    def credential(self, member: MemberId, now: datetime) -> SigningCredential:
        return self._journal.made("credential", lambda: self._port.credential(member, now))

    async def sign(self, credential: SigningCredential, signed_info: bytes) -> bytes:
        return await self._journal.awaited("sign", lambda: self._port.sign(credential, signed_info))


class _ClientLog:
    def __init__(self, journal: Journal, port: ClientMessageLog) -> None:
        self._journal, self._port = journal, port

    async def append_request(self, request: SignedRequest) -> LoggedRequest:
        return await self._journal.awaited("log request", lambda: self._port.append_request(request))

    async def append_response(self, response: AuthenticResponse) -> LoggedResponse:
        return await self._journal.awaited("log response", lambda: self._port.append_response(response))


class _Peer:
    def __init__(self, journal: Journal, port: Peer) -> None:
        self._journal, self._port = journal, port

    async def send(self, request: LoggedRequest) -> PeerReply:
        return await self._journal.awaited("send", lambda: self._port.send(request))


class _ServerLog:
    def __init__(self, journal: Journal, port: ServerMessageLog) -> None:
        self._journal, self._port = journal, port

    async def append_authorized(self, request: DisclosedRequest) -> DispatchableRequest:
        return await self._journal.awaited("log request", lambda: self._port.append_authorized(request))

    async def append_refused(self, request: DisclosedRefusal) -> RecordedRefusal:
        return await self._journal.awaited("log refusal", lambda: self._port.append_refused(request))

    async def append_found(self, answer: AnsweredRequest) -> RecordedAnswer:
        return await self._journal.awaited("log found", lambda: self._port.append_found(answer))

    async def append_failed(self, failed: FailedRequest) -> RecordedFailure:
        return await self._journal.awaited("log failure", lambda: self._port.append_failed(failed))

    async def append_reply(self, response: SignedResponse) -> LoggedReply:
        return await self._journal.awaited("log reply", lambda: self._port.append_reply(response))


class _Disclosure:
    def __init__(self, journal: Journal, port: DisclosureLog) -> None:
        self._journal, self._port = journal, port
        self.provider, self.official_key = port.provider, port.official_key

    def ensure_room(self, sensitivity: Sensitivity) -> None:
        self._journal.made("room", lambda: self._port.ensure_room(sensitivity))

    async def release(self, answer: RecordedAnswer) -> DisclosedReply:
        return await self._journal.awaited("release", lambda: self._port.release(answer))


class _Service:
    def __init__(self, journal: Journal, port: ServicePort) -> None:
        self._journal, self._port = journal, port

    async def call(self, request: DispatchableRequest) -> ServiceReply:
        return await self._journal.awaited("service", lambda: self._port.call(request))
