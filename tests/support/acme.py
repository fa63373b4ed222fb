"""A small ACME server (RFC 8555) over the development authority: strict about signatures, nonces, URLs, proofs and nothing else.

It fetches the http-01 proof from `proofs`, whatever host the order names, and issues what the request says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

Issue = Callable[[x509.CertificateSigningRequest], list[x509.Certificate]]


class Refused(Exception):
    def __init__(self, kind: str, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.status = kind, detail, status


@dataclass
class AcmeServer:
    """`binding`: key id and secret that a new account must show. `orders`: names and profile of each."""

    issue: Issue
    proofs: str
    binding: tuple[str, bytes] | None = None
    root: str = ""
    nonces: set[str] = field(default_factory=set)
    accounts: dict[str, dict[str, str]] = field(default_factory=dict)
    orders: list[tuple[list[str], str]] = field(default_factory=list)
    _state: dict[str, Any] = field(default_factory=dict)

    # --- what arrives ----------------------------------------------------------------------------------------------------

    def nonce(self) -> str:
        made = secrets.token_urlsafe(16)
        self.nonces.add(made)
        return made

    def post(self, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        protected, payload = self._opened(path, json.loads(body))
        account = protected.get("kid", "")
        if path == "/new-account":
            return self._account(protected["jwk"], payload)
        kind, _, name = path.removeprefix("/").partition("/")
        handler = getattr(self, f"_{kind.replace('-', '_')}")
        return handler(account, name, payload)  # type: ignore[no-any-return]

    def _opened(self, path: str, jws: dict[str, str]) -> tuple[dict[str, Any], Any]:
        """Protected header and payload of a request to this path, signed by its account."""
        protected = json.loads(_unpadded(jws["protected"]))
        if protected["url"] != self.root + path:
            raise Refused("unauthorized", "signed for another URL", 403)
        if protected["nonce"] not in self.nonces:
            raise Refused("badNonce", "this nonce was not given out, or was used")
        self.nonces.discard(protected["nonce"])
        jwk = protected.get("jwk") if path == "/new-account" else self.accounts.get(protected.get("kid", ""))
        if jwk is None:
            raise Refused("accountDoesNotExist", "nobody of that name")
        payload = _verified(jws, jwt.PyJWK.from_dict(jwk, algorithm="ES256").key, "ES256")
        return protected, json.loads(payload) if payload else None

    def _account(self, jwk: dict[str, str], payload: Any) -> tuple[int, dict[str, str], Any]:
        url = f"{self.root}/account/{_thumbprint(jwk)}"
        if url in self.accounts:
            return 200, {"Location": url}, {"status": "valid"}
        if not payload.get("termsOfServiceAgreed"):
            raise Refused("userActionRequired", "the terms were not agreed to", 403)
        if self.binding is not None:
            self._check_binding(payload.get("externalAccountBinding"), jwk)
        self.accounts[url] = jwk
        return 201, {"Location": url}, {"status": "valid", "contact": payload.get("contact", [])}

    def _check_binding(self, found: Any, jwk: dict[str, str]) -> None:
        assert self.binding is not None
        if not found:
            raise Refused("externalAccountRequired", "an account of this authority is bound", 403)
        protected = json.loads(_unpadded(found["protected"]))
        bound = json.loads(_verified(found, self.binding[1], "HS256"))
        if (protected["kid"], protected["url"], bound) != (self.binding[0], f"{self.root}/new-account", jwk):
            raise Refused("unauthorized", "the binding is not the one that was given out", 403)

    def _new_order(self, account: str, _: str, payload: Any) -> tuple[int, dict[str, str], Any]:
        names = [identifier["value"] for identifier in payload["identifiers"]]
        number = str(len(self.orders))
        self.orders.append((names, payload.get("profile", "")))
        tokens = [secrets.token_urlsafe(32) for _ in names]
        self._state[number] = {"account": account, "names": names, "tokens": tokens, "valid": [False] * len(names)}
        return 201, {"Location": f"{self.root}/order/{number}"}, self._order_body(number)

    def _order(self, account: str, number: str, _: Any) -> tuple[int, dict[str, str], Any]:
        return 200, {}, self._order_body(number)

    def _authz(self, account: str, name: str, _: Any) -> tuple[int, dict[str, str], Any]:
        number, at = name.split(".")
        return 200, {}, self._authz_body(number, int(at))

    def _proof(self, account: str, name: str, _: Any) -> tuple[int, dict[str, str], Any]:
        number, at = name.split(".")
        state, token = self._state[number], self._state[number]["tokens"][int(at)]
        expected = f"{token}.{_thumbprint(self.accounts[account])}"
        try:
            with urllib.request.urlopen(f"{self.proofs}/.well-known/acme-challenge/{token}", timeout=5) as answer:  # noqa: S310
                state["valid"][int(at)] = answer.read().decode() == expected
        except OSError:
            state["valid"][int(at)] = False
        state["tried"] = True
        return 200, {"Link": f'<{self.root}/authz/{name}>;rel="up"'}, self._challenge_body(number, int(at))

    def _finalize(self, account: str, number: str, payload: Any) -> tuple[int, dict[str, str], Any]:
        state = self._state[number]
        if not all(state["valid"]):
            raise Refused("orderNotReady", "not every name was proved", 403)
        csr = x509.load_der_x509_csr(_unpadded(payload["csr"]))
        named = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if [str(n.value) for n in named] != state["names"]:
            raise Refused("badCSR", "the request names other hosts")
        state["chain"] = "".join(c.public_bytes(Encoding.PEM).decode() for c in self.issue(csr))
        return 200, {"Location": f"{self.root}/order/{number}"}, self._order_body(number)

    def _certificate(self, account: str, number: str, _: Any) -> tuple[int, dict[str, str], Any]:
        return 200, {"Content-Type": "application/pem-certificate-chain"}, self._state[number]["chain"]

    # --- what is said ----------------------------------------------------------------------------------------------------

    def directory(self) -> dict[str, Any]:
        made = {name: f"{self.root}/{path}" for name, path in _PATHS.items()}
        return {**made, "meta": {"externalAccountRequired": self.binding is not None}}

    def _order_body(self, number: str) -> dict[str, Any]:
        state = self._state[number]
        ready = "valid" if "chain" in state else "ready" if all(state["valid"]) else "pending"
        body = {
            "status": ready,
            "identifiers": [{"type": "dns", "value": name} for name in state["names"]],
            "authorizations": [f"{self.root}/authz/{number}.{at}" for at in range(len(state["names"]))],
            "finalize": f"{self.root}/finalize/{number}",
        }
        return body | ({"certificate": f"{self.root}/certificate/{number}"} if ready == "valid" else {})

    def _authz_body(self, number: str, at: int) -> dict[str, Any]:
        state = self._state[number]
        status = "valid" if state["valid"][at] else "invalid" if "tried" in state else "pending"
        return {
            "status": status,
            "identifier": {"type": "dns", "value": state["names"][at]},
            "challenges": [self._challenge_body(number, at)],
        }

    def _challenge_body(self, number: str, at: int) -> dict[str, Any]:
        state = self._state[number]
        status = "valid" if state["valid"][at] else "invalid" if "tried" in state else "pending"
        body = {
            "type": "http-01",
            "url": f"{self.root}/proof/{number}.{at}",
            "token": state["tokens"][at],
            "status": status,
        }
        problem = {"type": "urn:ietf:params:acme:error:unauthorized", "detail": "the proof was not found there"}
        return body | ({"error": problem} if status == "invalid" else {})


_PATHS = {"newNonce": "new-nonce", "newAccount": "new-account", "newOrder": "new-order"}


@contextmanager
def acme_server(server: AcmeServer) -> Iterator[AcmeServer]:
    """The server on a port of its own; `root` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._say(200, {}, None)

        def do_GET(self) -> None:
            known = self.path == "/directory"
            self._say(200 if known else 404, {}, server.directory() if known else {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                self._say(*server.post(self.path, body))
            except Refused as e:
                problem = {"type": f"urn:ietf:params:acme:error:{e.kind}", "detail": e.detail, "status": e.status}
                self._say(e.status, {"Content-Type": "application/problem+json"}, problem)

        def _say(self, status: int, headers: dict[str, str], content: Any) -> None:
            data = (
                b""
                if content is None
                else content.encode()
                if isinstance(content, str)
                else json.dumps(content).encode()
            )
            self.send_response_only(status)
            whole = {"Content-Type": "application/json", "Replay-Nonce": server.nonce(), **headers}
            for name, value in whole.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.root = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


def _verified(jws: dict[str, str], key: Any, algorithm: str) -> bytes:
    token = f"{jws['protected']}.{jws['payload']}.{jws['signature']}"
    try:
        return jwt.PyJWS().decode(token, key, algorithms=[algorithm])  # type: ignore[no-any-return]
    except jwt.InvalidTokenError as e:
        raise Refused("unauthorized", "the signature does not verify", 403) from e


def _thumbprint(jwk: dict[str, str]) -> str:
    """RFC 7638."""
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).rstrip(b"=").decode()


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
