"""A registered security server made by hand: it owns real keys and says on the wire whatever a test wants it to say.

`HandMadePeer` asks (port 5500 of a real server is the victim); `FalseProvider` answers (a real consumer is the victim).
Honest messages come from the same builders as everybody's; `tests.support.wire` has the hands that spoil them.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import ssl
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gateway.core.digest import sha512
from gateway.core.framing import transport as framing
from gateway.core.identifiers import MemberId
from gateway.core.messages.rest import RestRequest, build_request, build_response, parse_request, request_hash
from gateway.core.signing.xades import SigningCredential, draft_signature
from gateway.signer.authkeys import AuthKey
from gateway.signer.tokens import KeyToken
from tests.support.rawhttp import talk
from tests.support.wire import Part, Parts, joined, split


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


async def ask_ocsp(url: str, certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The responder's answer, good or not."""
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303 - a name
    headers = {"Content-Type": "application/ocsp-request"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=request.build().public_bytes(Encoding.DER), headers=headers) as answer,
    ):
        return await answer.read()


class _NoAnswers:
    def get(self, certificate: x509.Certificate) -> bytes | None:
        return None


@dataclass(frozen=True)
class Signatory:
    """A member's signing key and its OCSP answer."""

    member: MemberId
    token: KeyToken
    ocsp: bytes

    def parts(self, part_type: str, part: bytes, body: bytes | None) -> Parts:
        """Signed the way every server signs."""
        credential = SigningCredential(self.member, self.token.certificate, self.token.algorithm, (), (self.ocsp,))
        digests = () if body is None else (sha512(body),)
        draft = draft_signature(sha512(part), digests, credential, datetime.now(UTC))
        signature = draft.complete(self.token.sign(self.token.algorithm, draft.signed_info))
        parts = [Part(part_type, part)]
        if body is not None:
            parts.append(Part(framing.REST_BODY, body))
        if draft.hash_chain_result is not None and draft.hash_chain is not None:
            parts.append(Part(framing.HASH_CHAIN_RESULT, draft.hash_chain_result))
            parts.append(Part(framing.HASH_CHAIN, draft.hash_chain))
        return (*parts, Part(framing.SIGNATURE, signature))


@dataclass(frozen=True)
class TlsIdentity:
    """An authentication certificate with its OCSP answer."""

    token: KeyToken
    ocsp: bytes

    def context(self, purpose: int) -> ssl.SSLContext:
        """`ssl.PROTOCOL_TLS_CLIENT` or `_SERVER`; whom it talks to it does not ask."""
        context = ssl.SSLContext(purpose)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        AuthKey(self.token, _NoAnswers()).load_into(context)
        return context


class HandMadePeer:
    """Asks `victim` (its address) for services in the name of `client`."""

    def __init__(self, victim: str, port: int, client: str, signatory: Signatory, identity: TlsIdentity) -> None:
        self.address = (victim, port)
        self.client = client
        self.signatory = signatory
        self.identity = identity
        self._contexts: dict[bytes, ssl.SSLContext] = {}

    def tls(self, identity: TlsIdentity | None = None) -> ssl.SSLContext:
        identity = identity or self.identity
        key = der(identity.token.certificate)
        if key not in self._contexts:
            self._contexts[key] = identity.context(ssl.PROTOCOL_TLS_CLIENT)
        return self._contexts[key]

    def request(
        self, target: str, *, verb: str = "GET", headers: Sequence[tuple[str, str]] = (), client: str | None = None
    ) -> RestRequest:
        return build_request(
            verb=verb,
            target=target,
            headers=[("X-Road-Client", client or self.client), *headers],
            request_id=str(uuid.uuid4()),
            message_id=f"hand-{uuid.uuid4()}",
        )

    def parts(self, request: bytes, body: bytes | None = None, *, ocsp: bytes | None = None) -> Parts:
        """An honest message: OCSP answer, request part, body, chain, signature."""
        mine = Part(framing.OCSP, self.identity.ocsp if ocsp is None else ocsp)
        return (mine, *self.signatory.parts(framing.REST_REQUEST, request, body))

    async def post(
        self, parts: Parts, request_id: str, *, identity: TlsIdentity | None = None, **changed: str
    ) -> bytes:
        """Everything that the server says, to the end. `changed`: HTTP headers (`_` for `-`) to set, or with "" to leave out."""
        content_type, data = joined(parts)
        return await self.post_bytes(data, request_id, identity=identity, **{"content_type": content_type, **changed})

    async def post_bytes(
        self, data: bytes, request_id: str, *, identity: TlsIdentity | None = None, **changed: str
    ) -> bytes:
        values = {
            "host": self.address[0],
            "x_road_message_type": "REST",
            "x_hash_algorithm": "SHA-512",
            "x_proxy_version": "7.8.0",
            "x_road_request_id": request_id,
            "content_length": str(len(data)),
            "connection": "close",
            **changed,
        }
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in values.items() if value)
        return await talk(*self.address, f"POST / HTTP/1.1\r\n{lines}\r\n".encode() + data, tls=self.tls(identity))


Answer = Callable[[RestRequest, bytes | None], Awaitable[bytes]]


class FalseProvider:
    """Listens on 5500 and 5577 of `host` as the server whose keys it owns. `answer` makes the raw HTTP response."""

    def __init__(self, host: str, port: int, ocsp_port: int, signatory: Signatory, identity: TlsIdentity) -> None:
        self.host = host
        self.port = port
        self.ocsp_port = ocsp_port
        self.signatory = signatory
        self.identity = identity
        self._context = identity.context(ssl.PROTOCOL_TLS_SERVER)
        self._servers: list[asyncio.Server] = []
        self.seen: list[RestRequest] = []
        self.answer: Answer = self.good

    def honest(self, request: RestRequest, body: bytes | None, content: bytes | None, **changed: object) -> Parts:
        """A signed answer. `changed`: arguments of `build_response`."""
        arguments: dict[str, object] = {
            "status": 200,
            "reason": "OK",
            "headers": [("Content-Type", "application/json")],
            "request_hash": request_hash(request.raw, None if body is None else sha512(body)),
            **changed,
        }
        response = build_response(request, **arguments)  # type: ignore[arg-type]
        return self.signatory.parts(framing.REST_RESPONSE, response.raw, content)

    async def good(self, request: RestRequest, body: bytes | None) -> bytes:
        return multipart(self.honest(request, body, b'{"ok":true}'))

    def be(self, identity: TlsIdentity) -> None:
        """Show another certificate from the next handshake on."""
        self.identity = identity
        AuthKey(identity.token, _NoAnswers()).load_into(self._context)

    async def start(self) -> None:
        serve = asyncio.start_server
        self._servers = [
            await serve(self._handle, self.host, self.port, ssl=self._context),
            await serve(self._look_up, self.host, self.ocsp_port),
        ]

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            headers = {
                n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head.decode().split("\r\n"))
            }
            data = await _body(reader, headers)
            parts = {p.content_type: p.data for p in split(headers["content-type"], data)}
            request = parse_request(parts[framing.REST_REQUEST])
            self.seen.append(request)
            writer.write(await self.answer(request, parts.get(framing.REST_BODY)))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _look_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        boundary = "jetty" + secrets.token_hex(8)
        body = (
            f"--{boundary}\r\nContent-Type: application/ocsp-response\r\n\r\n".encode()
            + self.identity.ocsp
            + f"\r\n--{boundary}--\r\n".encode()
        )
        kind = f'multipart/related; type="application/ocsp-response"; charset=UTF-8; boundary={boundary}'
        writer.write(http(body, f"Content-Type: {kind}"))
        await writer.drain()
        writer.close()


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    data = b""
    while size := int(await reader.readline(), 16):
        data += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return data


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def multipart(parts: Parts, *more: str) -> bytes:
    """A whole HTTP answer of a security server."""
    content_type, data = joined(parts)
    return http(data, f"content-type: {content_type}", "x-hash-algorithm: SHA-512", *more)


def sha1(certificate: x509.Certificate) -> str:
    return hashlib.sha1(der(certificate), usedforsecurity=False).hexdigest()
