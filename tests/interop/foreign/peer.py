"""A security server of the stand-in's instance. As provider it listens (5500, 5577) and judges every byte it is sent; as consumer
it calls and judges the answer. Blocking sockets, a thread a connection; TLS 1.2 and X-Road's CBC suites only."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import socketserver
import ssl
import threading
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.interop.foreign import message as m
from tests.interop.foreign.pki import Pair, Statuses, is_good

SUITES = "ECDHE-RSA-AES256-SHA384:DHE-RSA-AES256-SHA256:ECDHE-ECDSA-AES256-SHA384"
VERSION = "7.8.1-SNAPSHOT-20260206gitfcd16216c4"
Headers = dict[str, str]

# The head of a real consumer's request, in its order; Apache's own `User-Agent` and `Accept-Encoding` may be missing.
REQUEST_HEADERS = [
    "x-road-message-type",
    "x-hash-algorithm",
    "x-original-content-type",
    "x-road-request-id",
    "x-proxy-version",
    "Transfer-Encoding",
    "Content-Type",
    "Host",
    "Connection",
]


@dataclass(frozen=True)
class Identity:
    """A member's signing pair, its server's authentication pair, and the responders of their issuers. `above`: an intermediate
    CA that is shown in TLS beside the leaf, with the responder of its issuer; `encapsulated`: the same for signatures."""

    member: str
    sign: Pair
    auth: Pair
    sign_status: Statuses
    auth_status: Statuses
    above: tuple[tuple[Pair, Statuses], ...] = ()
    encapsulated: tuple[tuple[Pair, Statuses], ...] = ()

    @property
    def chain(self) -> tuple[Pair, ...]:
        return (self.auth, *(p for p, _ in self.above))

    def ocsp(self) -> list[bytes]:
        """For every certificate of the chain."""
        watched = ((self.auth, self.auth_status), *self.above)
        return [s.answer(p.certificate) for p, s in watched]

    def signer(self, **how: bool) -> m.Signer:
        above = tuple((p, s.answer(p.certificate)) for p, s in self.encapsulated)
        return m.Signer(self.sign, self.sign_status.answer(self.sign.certificate), above, **how)


@dataclass
class Seen:
    """One request as the provider saw it."""

    path: str
    headers: list[tuple[str, str]]
    body: bytes | None
    certificates: int
    resumed: bool


@dataclass
class Provider:
    """`complaints`: everything in the consumer's requests that a real server would mind or that is spelt otherwise."""

    host: str
    port: int
    ocsp_port: int
    own: Identity
    consumer: Identity
    folder: Path
    seen: list[Seen] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)
    _servers: list[socketserver.BaseServer] = field(default_factory=list)

    def start(self) -> None:
        context = tls_context(ssl.PROTOCOL_TLS_SERVER, self.own.chain, self.folder)
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # the registered certificate itself: of a CA in this store OpenSSL would complete the chain that we show
        context.load_verify_locations(cadata=self.consumer.auth.der)
        for port, handle in (
            (self.port, lambda s: self._serve_tls(context, s)),
            (self.ocsp_port, self._serve_ocsp),
        ):
            server = _Listener((self.host, port), _thread(handle))
            self._servers.append(server)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _serve_ocsp(self, connection: socket.socket) -> None:
        """The answer as Jetty's multipart writer frames it; lower-case SHA-1 only (reference 3.4)."""
        target = read_head(_reader(connection))[0].split(" ")[1]
        self.lookups.append(target)
        wanted = re.findall(r"[?&]cert=([0-9a-f]{40})(?=&|$)", target)
        if wanted != [hashlib.sha1(p.der).hexdigest() for p in self.own.chain]:
            connection.sendall(b"HTTP/1.1 500 Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        head = b"--jetty1\r\nContent-Type: application/ocsp-response\r\n\r\n"
        body = b"".join(head + answer + b"\r\n" for answer in self.own.ocsp()) + b"--jetty1--\r\n"
        kind = 'multipart/related; type="application/ocsp-response"; charset=UTF-8; boundary=jetty1'
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode() + body)

    def _serve_tls(self, context: ssl.SSLContext, raw: socket.socket) -> None:
        with context.wrap_socket(raw, server_side=True) as connection:
            reader = _reader(connection)
            while self._serve_one(connection, reader):
                pass

    def _serve_one(self, connection: ssl.SSLSocket, reader: socket.SocketIO) -> bool:
        """Whether the connection stays open."""
        try:
            start, headers = read_head(reader)
        except EOFError:
            return False
        parts: m.Parts = []
        try:
            parts = self._judge(start, headers, reader, connection)
        except Exception as e:  # noqa: BLE001 - whatever the judge stumbles over is a complaint
            self.complaints.append(f"{type(e).__name__}: {e}")
        if not parts:
            connection.sendall(b"HTTP/1.1 500 Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        head, body, keep = self._answer(parts)
        connection.sendall(head + body)
        if not keep:
            connection.unwrap()
        return keep

    # --- judging -------------------------------------------------------------------------------------------------------

    def _judge(
        self, start: str, headers: list[tuple[str, str]], reader: socket.SocketIO, connection: ssl.SSLSocket
    ) -> m.Parts:
        assert start == "POST / HTTP/1.1", start
        names = [n for n, _ in headers]
        assert names == REQUEST_HEADERS, names
        values = dict(headers)
        assert values["x-road-message-type"] == "REST"
        assert values["x-hash-algorithm"] == "SHA-512"
        assert re.fullmatch(r"7\.(\d+)\.\d+", values["x-proxy-version"])
        assert int(values["x-proxy-version"].split(".")[1]) >= 6
        assert values["Transfer-Encoding"] == "chunked"
        assert values["Connection"] == "Keep-Alive"
        assert values["Host"] == f"{self.host}:{self.port}"
        kind = re.fullmatch(r"multipart/mixed; charset=UTF-8; boundary=(xtop[A-Za-z]{30})", values["Content-Type"])
        assert kind, values["Content-Type"]
        parts = m.split(b"".join(chunks(reader)), kind[1])
        assert connection.version() == "TLSv1.2"
        shown = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # public from Python 3.13 on
        shown = shown[:1] if connection.session_reused else shown
        der = connection.getpeercert(binary_form=True)
        assert der is not None
        self._judge_peer(x509.load_der_x509_certificate(der), len(shown), parts)
        by_type = dict(parts)
        judged = m.judge_signature(parts, m.REQUEST)
        assert judged.certificate == self.consumer.sign.certificate
        assert len(judged.ocsp) == 1
        assert is_good(judged.ocsp[0], judged.certificate, self.consumer.sign_status)
        verb, target, rest = m.lines(by_type[m.REQUEST])
        known = {n.lower(): v for n, v in rest}
        assert ("x-road-request-id", values["x-road-request-id"]) in rest
        assert str(uuid.UUID(values["x-road-request-id"])) == values["x-road-request-id"]
        assert values["x-original-content-type"] == known.get("content-type", "")
        self.seen.append(
            Seen(target, [(verb, target), *rest], by_type.get(m.BODY), len(shown), bool(connection.session_reused))
        )
        return parts

    def _judge_peer(self, leaf: x509.Certificate, shown: int, parts: m.Parts) -> None:
        """An OCSP part for every certificate of the TLS chain; the leaf is a listed CA's own, so it goes alone."""
        answers = [d for t, d in parts if t == m.OCSP]
        assert shown == len(answers) == 1, (shown, len(answers))
        assert leaf == self.consumer.auth.certificate
        assert is_good(answers[0], leaf, self.consumer.auth_status)

    # --- answering -----------------------------------------------------------------------------------------------------

    def _answer(self, parts: m.Parts) -> tuple[bytes, bytes, bool]:
        _, target, _ = m.lines(dict(parts)[m.REQUEST])
        case = target.partition("?")[0].rsplit("/", 1)[1]
        date = "Date: Sat, 21 Nov 2026 22:49:51 GMT\r\n"
        if case.startswith("fault"):
            fault = soap_fault("server.serverproxy.access_denied", "Request is not allowed: it")
            status = "500 Server Error" if case == "fault500" else "200 OK"
            head = (
                f"HTTP/1.1 {status}\r\n{date}Content-Type: text/xml;charset=utf-8\r\nSOAPAction: \r\n"
                f"Content-Length: {len(fault)}\r\nConnection: close\r\n\r\n"
            )
            return head.encode(), fault, False
        mark = m.boundary()
        body = m.join(self.answer_parts(parts, case), mark)
        kind = f"multipart/mixed; charset=UTF-8; boundary={mark}"
        if case == "pooled":
            head = f"HTTP/1.1 200 OK\r\n{date}Content-Type: {kind}\r\nx-hash-algorithm: SHA-512\r\n"
            head += "Transfer-Encoding: chunked\r\n\r\n"
            return head.encode(), b"".join(chunked(body)), True
        if case == "cut":
            body = body[: -len(mark) - 4]
        name = "X-Hash-Algorithm" if case == "titlecase" else "x-hash-algorithm"
        head = f"HTTP/1.1 200 OK\r\n{date}Content-Type: {kind}\r\n{name}: SHA-512\r\nConnection: close\r\n\r\n"
        return head.encode(), body, False

    def answer_parts(self, request: m.Parts, case: str) -> m.Parts:
        by_type = dict(request)
        verb, target, headers = m.lines(by_type[m.REQUEST])
        known = {n.lower(): v for n, v in headers}
        status, reason, body = (
            (204, "No Content", None)
            if case == "none"
            else (200, "OK", b"")
            if case == "empty"
            else (404, "", b"not here")
            if case == "missing"
            else (
                200,
                "OK",
                json.dumps({"verb": verb, "target": target, "body": len(by_type.get(m.BODY, b""))}).encode(),
            )
        )
        if verb == "HEAD":
            body = None
        digest = m.request_hash(request) if case != "wronghash" else b64encode(bytes(64)).decode()
        part = "\r\n".join(
            [
                str(status),
                reason,
                "Content-Type:application/json",
                f"x-road-id:{known['x-road-id']}",
                f"x-road-client:{known['x-road-client']}",
                f"x-road-service:{'/'.join(target.partition('?')[0].split('/')[2:7])}",
                f"x-road-request-id:{known['x-road-request-id']}",
                f"x-road-request-hash:{digest}",
                "",
            ]
        ).encode()
        parts = [(m.RESPONSE, part)] + ([] if body is None else [(m.BODY, body)])
        if case == "late":
            return [*parts[:1], (m.FAULT, soap_fault("server.serverproxy.io_error", "Read timed out"))]
        how = {
            "batch3": m.How(batch=3),
            "batch5": m.How(batch=5),
            "direct": m.How(direct=True),
            "uncovered": m.How(uncovered=True),
        }.get(case, m.How())
        own = self.consumer if case == "stranger" else self.own
        return parts + m.sign_message(
            part, body, own.signer(pss=case == "pss" and _is_rsa(own.sign), wrap=case != "plain"), how
        )


def _is_rsa(pair: Pair) -> bool:
    return isinstance(pair.key, rsa.RSAPrivateKey)


def soap_fault(code: str, text: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/">'
        f"<SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring><faultactor></faultactor>"
        '<detail><faultDetail xmlns="">43b6825b-eaed-40b9-8886-2f2ae4f83cf1</faultDetail></detail></SOAP-ENV:Fault>'
        "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode()


# --- as consumer -------------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    """`head`: header names as they stand. `parts`: empty for a bare fault, which is `body` then."""

    status: int
    head: list[tuple[str, str]]
    body: bytes
    parts: m.Parts
    session: ssl.SSLSession | None
    resumed: bool
    shown: tuple[bytes, ...]
    cipher: str

    @property
    def fault(self) -> str:
        found = re.search(rb"<faultcode>([^<]*)</faultcode>", self.body)
        return found[1].decode() if found else ""


@dataclass
class Consumer:
    """Calls the server at `address`. `context`: its TLS, kept so that sessions can be resumed."""

    address: tuple[str, int]
    own: Identity
    folder: Path

    def __post_init__(self) -> None:
        self.context = self.tls(*self.own.chain)

    def tls(self, *chain: Pair) -> ssl.SSLContext:
        context = tls_context(ssl.PROTOCOL_TLS_CLIENT, chain, self.folder)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a real one judges after the handshake, as the test does
        return context

    def request(
        self, verb: str, target: str, client: str, body: bytes | None = None, how: m.How | None = None, **signer: bool
    ) -> m.Parts:
        """OCSP, request part, body, chain, signature."""
        headers = [("Accept", "*/*"), ("X-Road-Client", client), ("X-Road-Id", f"m-{uuid.uuid4()}")]
        if body is not None:
            headers.append(("Content-Type", "application/json"))
        headers.append(("x-road-request-id", str(uuid.uuid4())))
        part = "\r\n".join([verb, target, *(f"{n}:{v}" for n, v in headers), ""]).encode()
        parts = [(m.REQUEST, part)] + ([] if body is None else [(m.BODY, body)])
        ocsp = [(m.OCSP, answer) for answer in self.own.ocsp()]
        return [*ocsp, *parts, *m.sign_message(part, body, self.own.signer(**signer), how or m.How())]

    def send(
        self,
        parts: m.Parts,
        *,
        context: ssl.SSLContext | None = None,
        session: ssl.SSLSession | None = None,
        headers: Callable[[Headers], Headers] = lambda h: h,
        raw: bytes | None = None,
    ) -> Answer:
        """One connection, one exchange. `raw`: bytes to send instead of a multipart of the parts."""
        mark = m.boundary()
        ids = re.findall(rb"\r\nx-road-request-id:([^\r]*)\r\n", dict(parts).get(m.REQUEST, b""))
        fields = headers(
            {
                "x-road-message-type": "REST",
                "x-hash-algorithm": "SHA-512",
                "x-original-content-type": "",
                "x-road-request-id": ids[0].decode() if ids else "",
                "x-proxy-version": VERSION,
                "Transfer-Encoding": "chunked",
                "Content-Type": f"multipart/mixed; charset=UTF-8; boundary={mark}",
                "Host": f"{self.address[0]}:{self.address[1]}",
                "Connection": "Keep-Alive",
                "User-Agent": "Apache-HttpClient/4.5.14 (Java/17.0.15)",
                "Accept-Encoding": "gzip,deflate",
            }
        )
        head = "POST / HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields.items()) + "\r\n"
        body = m.join(parts, mark) if raw is None else raw
        with (
            socket.create_connection(self.address, timeout=20) as plain,
            (context or self.context).wrap_socket(plain, session=session) as connection,
        ):
            for piece in (head.encode(), *chunked(body)):
                connection.sendall(piece)
            answer = self._read(connection)
            connection.unwrap()  # or neither side would resume this session
            return answer

    def _read(self, connection: ssl.SSLSocket) -> Answer:
        reader = _reader(connection)
        start, head = read_head(reader)
        values = {n.lower(): v for n, v in head}
        if "chunked" in values.get("transfer-encoding", ""):
            body = b"".join(chunks(reader))
        else:
            body = read_exactly(reader, int(values["content-length"]))
        kind = re.fullmatch(r"multipart/mixed; charset=UTF-8; boundary=(xtop[A-Za-z]{30})", values["content-type"])
        shown = connection._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]  # none in a resumed session
        cipher = connection.cipher()
        assert cipher is not None
        return Answer(
            int(start.split(" ")[1]),
            head,
            body,
            m.split(body, kind[1]) if kind else [],
            connection.session,
            bool(connection.session_reused),
            tuple(ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in shown),
            cipher[0],
        )


def look_up(host: str, port: int, query: str, method: str = "GET") -> tuple[int, str, bytes]:
    """(status, content type, body) of the OCSP look-up port."""
    with socket.create_connection((host, port), timeout=20) as connection:
        head = f"{method} /?{query} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: multipart/related\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        reader = _reader(connection)
        start, headers = read_head(reader)
        values = {n.lower(): v for n, v in headers}
        return int(start.split(" ")[1]), values.get("content-type", ""), reader.read()


# --- sockets -----------------------------------------------------------------------------------------------------------


def tls_context(kind: int, chain: Sequence[Pair], folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(kind)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES)
    if chain:
        path = folder / f"{chain[0].certificate.serial_number}.tls.pem"
        path.write_bytes(b"".join(p.pem for p in chain) + chain[0].key_pem(None))
        context.load_cert_chain(path)
    return context


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _thread(handle: Callable[[socket.socket], None]) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                handle(self.request)
            except (OSError, EOFError):
                return  # the other side went away or would not shake hands: the tests look at what it says of that

    return Handler


def _reader(connection: socket.socket) -> socket.SocketIO:
    return connection.makefile("rb")  # type: ignore[return-value]


def read_head(reader: socket.SocketIO) -> tuple[str, list[tuple[str, str]]]:
    start = reader.readline().decode("latin-1").rstrip("\r\n")
    if not start:
        raise EOFError
    headers = []
    while line := reader.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = line.partition(":")
        headers.append((name, value.strip()))
    return start, headers


def read_exactly(reader: socket.SocketIO, size: int) -> bytes:
    data = reader.read(size) or b""
    assert len(data) == size
    return data


def chunks(reader: socket.SocketIO) -> Iterator[bytes]:
    while size := int(reader.readline().split(b";")[0], 16):
        yield read_exactly(reader, size)
        assert reader.readline() == b"\r\n"
    assert reader.readline() == b"\r\n"


def chunked(body: bytes) -> Iterator[bytes]:
    """In Apache's pieces of two kilobytes."""
    for at in range(0, len(body), 2048):
        piece = body[at : at + 2048]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
