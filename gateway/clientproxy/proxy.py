"""Dispatch of the client-facing ports (reference 1.1): `/r1/…` is REST; three paths are metadata and evidence; else SOAP.

An error made by X-Road itself carries `X-Road-Error`; a provider's own 4xx/5xx passes through without it (reference 1.6).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl

from gateway.clientproxy.asic import Containers, answer_asic
from gateway.clientproxy.metadata import list_clients_answer, verification_conf
from gateway.core.errors import GatewayError, MalformedMessage
from gateway.core.messages.fault import Fault, http_status, print_rest_error, print_soap_fault
from gateway.core.messages.rest import calling_client
from gateway.core.serverconf.admission import admit
from gateway.exchange.blame import fault_of
from gateway.exchange.client_side import ClientCall, ClientSide, exchange_as_client
from gateway.exchange.ports import BodySink
from gateway.exchange.states import AuthenticResponse, Body, InformationSystem
from gateway.exchange.wire import take, whole_body
from gateway.httpd.values import Answer, BodyBroken, CallerGone, IncomingBody, Request

_AUTHORITY = re.compile(r"\A[^/?#]*")  # RFC 3986, 3.2: a slash in the query begins no path
Report = Callable[[Exception, Fault], None]  # tells the operator; never raises


class ClientProxy:
    """The request handler of both client-facing ports."""

    def __init__(
        self,
        ports: ClientSide,
        new_body: Callable[[], BodySink],
        header_limit: int,
        stall: float,
        report: Report,
        containers: Containers,
    ) -> None:
        self._ports = ports
        self._containers = containers
        self._new_body = new_body
        self._header_limit = header_limit
        self._stall = stall
        self._report = report

    async def handle(self, request: Request) -> Answer:
        target = _origin_form(request.target)
        if target.startswith("/r1/"):
            return await self._rest(request, target)
        try:
            return await self._metadata(request, target)
        except GatewayError as e:
            return self._soap_error(e)

    async def _rest(self, request: Request, target: str) -> Answer:
        try:
            self._check_size(request, target)
            system = _system(request)
            body = await self._body(request, system)
            call = ClientCall(request.method, target, request.headers, body, system)
            answer = await exchange_as_client(call, self._ports)
        except CallerGone:
            raise  # before the call was complete; nothing was started
        except Exception as e:  # noqa: BLE001 - whatever it is, the caller is told in X-Road's form and the operator too
            return self._rest_error(e, ",".join(request.all("accept")))
        return _answer(answer.authentic, request, self._stall)

    async def _body(self, request: Request, system: InformationSystem) -> Body | None:
        """No byte, no body part. More than came with the head is read only of who may call (reference 1.5): others fill no spool.
        The exchange asks again, of what it signs."""
        if request.body.complete:  # it came with its head
            data = request.body.whole()
            return whole_body(data, self._new_body) if data else None
        conf, client = self._ports.serverconf.current(), calling_client(request.headers)
        admit(conf, client, tls=system.tls, certificate=system.certificate)
        try:
            return await self._body_in_pieces(request.body)
        except BodyBroken as e:
            raise MalformedMessage("The body of the request is not framed as HTTP", code="io_error") from e

    async def _body_in_pieces(self, content: IncomingBody) -> Body | None:
        sink = self._new_body()
        try:
            await take(content.pieces(), sink.write, self._stall)
            body = sink.finish()
            return body if body.size else None
        finally:
            sink.abandon()

    async def _metadata(self, request: Request, target: str) -> Answer:
        now, trust = self._ports.clock(), self._ports.globalconf.current()
        trust.ensure_current(now)
        path, _, query = target.partition("?")
        asked = dict(reversed(parse_qsl(query.partition("#")[0], keep_blank_values=True)))  # of repeated ones the first
        if request.method == "GET" and path == "/listClients":
            instance = asked.get("xRoadInstance") or trust.own_instance
            return list_clients_answer(trust.shared(instance, now), request.first("accept"))
        if request.method == "GET" and path == "/verificationconf":
            return verification_conf(trust)
        if request.method == "GET" and path == "/asic":
            return await answer_asic(asked, self._containers, self._ports.serverconf.current(), _system(request))
        if request.method != "POST":
            raise MalformedMessage(
                f"Must use POST request method instead of {request.method}", code="invalid_http_method"
            )
        raise MalformedMessage("This security server takes REST messages (/r1/...) only", code="invalid_message")

    def _check_size(self, request: Request, target: str) -> None:
        size = len(target) + sum(len(name) + len(value) + 4 for name, value in request.headers)
        if size > self._header_limit:
            raise MalformedMessage(
                f"The request line and headers are larger than {self._header_limit} bytes", code="bad_request"
            )

    def _rest_error(self, error: Exception, accept: str | None) -> Answer:
        fault = fault_of(error, "client", str(uuid.uuid4()))
        self._report(error, fault)
        content_type, body = print_rest_error(fault, accept)
        headers = (("Content-Type", content_type), ("X-Road-Error", _one_line(fault.code)))
        return Answer(http_status(fault.code), headers, body)

    def _soap_error(self, error: GatewayError) -> Answer:
        """Outside `/r1/` X-Road answers SOAP faults with HTTP 200 (reference 1.1, 2.1); the caller's mistakes are `client.`."""
        fault = fault_of(error, "client", str(uuid.uuid4()))
        if isinstance(error, MalformedMessage):
            fault = replace(fault, code=f"client.{error.code}")
        self._report(error, fault)
        return Answer(200, (("Content-Type", "text/xml;charset=utf-8"),), print_soap_fault(fault))


def _origin_form(raw: str) -> str:
    """`/path?query`, also from the absolute form some clients send (`POST http://host/path`)."""
    if raw.startswith("/"):
        return raw
    rest = _AUTHORITY.sub("", raw.partition("://")[2], count=1)
    return rest if rest.startswith("/") else f"/{rest}"


def _system(request: Request) -> InformationSystem:
    tls = request.tls
    return InformationSystem(tls is not None, None if tls is None else tls.getpeercert(binary_form=True))


def _one_line(code: str) -> str:
    """A relayed fault code is somebody else's text: nothing of it may end a header line."""
    return "".join(c for c in code if 0x20 < ord(c) < 0x7F)[:255]


def _answer(answer: AuthenticResponse, request: Request, stall: float) -> Answer:
    """The provider's status, every header of the signed response part with the bytes it came with (reference 1.3), the body."""
    response, body = answer.response, answer.parts.body
    # What HTTP does not expect here would be taken for the next answer on this connection (response splitting).
    without_body = request.method == "HEAD" or response.status in (204, 205, 304)
    inline = b"" if body is None or without_body else body.inline
    if inline is not None:
        return Answer(response.status, response.headers, inline, patience=stall)
    assert body is not None
    return Answer(response.status, response.headers, pieces=body.chunks(), length=body.size, patience=stall)
