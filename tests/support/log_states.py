"""States of an exchange made cheaply, for tests of message logs: a log looks at bytes and names, never at what they mean."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from gateway.core.content.finding import Finding
from gateway.core.digest import Digest, DigestAlgorithm, sha512
from gateway.core.disclosure.leaf import AccessEntry, make_entry
from gateway.core.disclosure.record import Access, Outcome
from gateway.core.globalconf.model import GlobalConfiguration, OptionalParts, SharedParameters
from gateway.core.identifiers import SecurityServerId
from gateway.core.messages.rest import build_request, build_response, request_hash
from gateway.core.serverconf.access import Grant
from gateway.core.serverconf.model import Client
from gateway.core.signing.verify import VerifiedSignature
from gateway.core.subjects.kinds import Person
from gateway.exchange.states import (
    AdmittedRequest,
    AnsweredRequest,
    AuthenticRequest,
    AuthenticResponse,
    AuthorizedRequest,
    Body,
    DisclosedRefusal,
    DisclosedReply,
    DisclosedRequest,
    DispatchableRequest,
    ExaminedRequest,
    FailedRequest,
    IncomingRequest,
    LoggedRequest,
    Moment,
    ReceivedRequest,
    RecordedAnswer,
    RefusedRequest,
    RoutedRequest,
    ServiceReply,
    SignedParts,
    SignedRequest,
    SignedResponse,
)

NOW = datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)
PEER = SecurityServerId("VN", "GOV", "G22", "ss1")
SERVER = SecurityServerId("VN", "GOV", "G01", "ss1")
OTHER_PEER = SecurityServerId("VN", "GOV", "G15", "ss1")
_SIGNER = cast("VerifiedSignature", None)
_REQUEST = build_request(
    verb="POST",
    target="/r1/VN/GOV/G01/dancu/person/v1/persons?q=Nguy%E1%BB%85n",
    headers=[("X-Road-Client", "VN/GOV/G22/dvc")],
    request_id="0" * 36,
    message_id="message",
)
_RESPONSE = build_response(_REQUEST, status=200, reason="OK", headers=[], request_hash=bytes(64))


def configuration(fingerprint: str = "f1") -> GlobalConfiguration:
    files = {"instance-identifier": b"VN", "VN/shared-params.xml": b"<conf>" + fingerprint.encode() + b"</conf>"}
    shared = SharedParameters("VN", 6, timedelta(hours=1))
    return GlobalConfiguration("VN", fingerprint, files, {"VN": shared}, {"VN": None}, None, OptionalParts())


CONF = configuration()


def signed_parts(part: bytes, body: Body | None = None) -> SignedParts:
    chain = (None, None) if body is None else (b"<result/>\x00\xff", b"<chain/>")
    return SignedParts(part, body, b"<signature/>\r\n\xc3\xa9", *chain)


def framed_signature(frame: bytes = b"one") -> bytes:
    """Like a real one: its values are its own, the rest is the same for each `frame`."""
    own = (secrets.token_urlsafe(66).encode() for _ in range(4))
    return b"".join(
        (
            b"<s><ds:DigestValue>%s</ds:DigestValue><ds:DigestValue>%s</ds:DigestValue>" % (next(own), next(own)),
            b'<ds:SignatureValue Id="v">%s</ds:SignatureValue>' % next(own),
            b"<x:SigningTime>%s</x:SigningTime><!--%s--></s>" % (next(own), frame.ljust(2000)),
        )
    )


def framed(request: SignedRequest, frame: bytes = b"one") -> SignedRequest:
    return replace(request, parts=replace(request.parts, signature=framed_signature(frame)))


def signed_request(
    *, body: Body | None = None, message_id: str = "message", conf: GlobalConfiguration = CONF, now: datetime = NOW
) -> SignedRequest:
    request = replace(_REQUEST, message_id=message_id, request_id=str(uuid.uuid4()))
    received = ReceivedRequest(Moment(now, conf), request, body)
    admitted = AdmittedRequest(received, Client(_REQUEST.client))
    return SignedRequest(RoutedRequest(admitted, ()), signed_parts(request.raw, body))


def authentic_response(request: LoggedRequest, *, body: Body | None = None) -> AuthenticResponse:
    asked = request.signed.received.request
    response = replace(_RESPONSE, message_id=asked.message_id, request_id=asked.request_id)
    return AuthenticResponse(request, response, signed_parts(response.raw, body), _SIGNER, Moment(NOW, CONF))


def authentic_request(
    request_id: str | None = None,
    *,
    peer: SecurityServerId = PEER,
    message_id: str = "message",
    body: Body | None = None,
) -> AuthenticRequest:
    request = replace(_REQUEST, message_id=message_id, request_id=request_id or str(uuid.uuid4()))
    bound = request_hash(request.raw, None if body is None else body.digest)
    incoming = IncomingRequest(Moment(NOW, CONF), request, signed_parts(request.raw, body), (), bound)
    return AuthenticRequest(incoming, peer, _SIGNER)


def access_entries(*numbers: str, outcome: Outcome = "granted", follows: str = "") -> tuple[AccessEntry, ...]:
    """One entry for each citizen."""
    access = Access(
        time=NOW,
        consumer="VN/GOV/G22/dvc",
        service="VN/GOV/G01/dancu/person",
        purpose="DVC-GIAI-QUYET-HO-SO",
        legal_basis="ND-63-2024",
        official="",
        request_hash="00" * 64,
        categories=("identity",),
        outcome=outcome,
        case="Hồ sơ 12",
        signature_hash="11" * 64,
    )
    persons = (Person("vn-personal-number", number) for number in numbers)
    return tuple(make_entry(access, person, 1, secrets.token_bytes(32), follows) for person in persons)


def authorized_request(
    request_id: str | None = None,
    *,
    peer: SecurityServerId = PEER,
    message_id: str = "message",
    body: Body | None = None,
    entries: tuple[AccessEntry, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> DisclosedRequest:
    authentic = authentic_request(request_id, peer=peer, message_id=message_id, body=body)
    authorized = AuthorizedRequest(authentic, None, Grant("metaservice"), None)
    return DisclosedRequest(ExaminedRequest(authorized, findings), entries)


def refused_request(
    request_id: str | None = None,
    *,
    peer: SecurityServerId = PEER,
    entries: tuple[AccessEntry, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> DisclosedRefusal:
    refused = RefusedRequest(authentic_request(request_id, peer=peer), "access_denied", "no right", None, findings)
    return DisclosedRefusal(refused, entries)


def answered_request(request: DispatchableRequest, *, found: tuple[AccessEntry, ...] = ()) -> AnsweredRequest:
    return AnsweredRequest(request, ServiceReply(200, "OK", [], None), found)


def failed_request(request: DispatchableRequest, entries: tuple[AccessEntry, ...]) -> FailedRequest:
    return FailedRequest(request, entries)


def signed_response(request: DispatchableRequest, *, body: Body | None = None) -> SignedResponse:
    asked = request.incoming.request
    response = replace(_RESPONSE, message_id=asked.message_id, request_id=asked.request_id)
    disclosed = DisclosedReply(RecordedAnswer(answered_request(request)), None)
    return SignedResponse(disclosed, response, signed_parts(response.raw, body), Moment(NOW, CONF))


class PatternBody:
    """A body that is nowhere in memory: `size` bytes, made again for each reader in pieces of `piece` bytes."""

    def __init__(self, size: int, *, piece: int = 200_000, digest: Digest | None = None) -> None:
        self._size = size
        self._piece = bytes(i * 7 % 251 for i in range(piece))
        self.readings = 0
        self._digest = digest

    @property
    def size(self) -> int:
        return self._size

    @property
    def inline(self) -> bytes | None:
        return None

    @property
    def digest(self) -> Digest:
        return self._digest or sha512(self.whole())

    def whole(self) -> bytes:
        return (self._piece * (self._size // len(self._piece) + 1))[: self._size]

    async def chunks(self) -> AsyncIterator[bytes]:
        self.readings += 1
        left = self._size
        while left > 0:
            yield self._piece[:left]
            left -= len(self._piece)


def digest_of_nothing() -> Digest:
    return DigestAlgorithm.SHA512.of(b"")
