"""TLS contexts. What each checks itself and what is checked right after the handshake by `exchange/peers.py`:

| connection         | OpenSSL checks                                  | we check                                   |
|--------------------|-------------------------------------------------|--------------------------------------------|
| peer -> us (5500)  | certificate demanded, chain to an instance's CA | OCSP, registration, usage                  |
| us -> peer         | the peer holds the key of its certificate       | chain, OCSP, registration, usage, *before  |
|                    |                                                 | the first byte*                            |
| system -> us (8443)| a shown certificate is one of some client       | it is one of *this* client                 |
| us -> service      | certificate chains to one stored for the owner  | it is one of these itself                  |
| server -> log      | certificate demanded, one of a submitter        | it is the server named as the source       |
| us -> log          | certificate is one stored for the log           | -                                          |

OpenSSL's own chain check is not used towards peers: it refuses X-Road authentication certificates whose extended key usage is
only clientAuth when a server shows them (reference 3.1, 3.3; decision 0017).

Profiles: `strict` is TLS 1.3 only; `interop` adds TLS 1.2 with the AES-256-CBC suites that X-Road 7 servers speak.
"""

from __future__ import annotations

import _ssl
import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.errors import SettingsError

Profile = Literal["strict", "interop"]

# reference 3.1; DHE is left out: Python offers no automatic DH parameters, and every X-Road server has ECDHE.
_XROAD7_SUITES = "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384"
# reference 1.1: what information systems of X-Road installations are used to, CBC left out.
_SYSTEM_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20"
# X509_V_FLAG_NO_CHECK_TIME: systems' certificates are compared as wholes, expired or not (reference 1.4)
_NO_CHECK_TIME = 0x200000


def _restrict(context: ssl.SSLContext, profile: Profile) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if profile == "interop":
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_XROAD7_SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


class PeerListener:
    """For the server proxy: mutual TLS that shows our authentication certificate *without* its root (reference 3.1), which a
    real peer would want an OCSP answer for.

    OpenSSL completes the chain it shows out of the same store by which it judges the other side. So a connection begins with
    `context`, whose store is empty, and goes over to a context with the instance's CAs when our side of the handshake is
    sent. A peer whose certificate came before that is judged by the empty store: refused, never let in. `handshakes` counts
    those begun.
    """

    def __init__(
        self, profile: Profile, load_key: Callable[[ssl.SSLContext], None], authorities: Iterable[x509.Certificate]
    ) -> None:
        self._profile = profile
        self._load_key = load_key
        self.handshakes = 0
        self.renew(authorities)
        self.context = self._showing
        self.context.sni_callback = self._on_client_hello  # called for every hello, with a name or without

    def renew(self, authorities: Iterable[x509.Certificate]) -> None:
        """The key has changed: from the next handshake on the one that `load_key` now loads is shown."""
        self._showing = self._new_context()
        self.trust(authorities)

    def trust(self, authorities: Iterable[x509.Certificate]) -> None:
        """Whom to believe from the next handshake on: exactly these CAs (one may be an intermediate)."""
        believing = self._new_context()
        _load(believing, (a.public_bytes(Encoding.DER) for a in authorities))
        self._believing = believing

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _restrict(context, self._profile)
        context.options |= (
            ssl.OP_NO_TICKET
        )  # sessions stay here, so that a resumed one still has the peer's whole chain
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate CA may be the listed one
        self._load_key(context)
        return context

    def _on_client_hello(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        self.handshakes += 1
        connection.context = self._showing  # a second hello (retry) comes after the change below
        asyncio.get_running_loop().call_soon(setattr, connection, "context", self._believing)


def peer_client_context(profile: Profile) -> ssl.SSLContext:
    """For links to peers. Whoever uses it must pass the peer's chain to `PeerVerdicts.verify` before sending anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _restrict(context, profile)
    context.check_hostname = False  # identity is the registered certificate, not a name (reference 3.1)
    context.verify_mode = ssl.CERT_NONE  # see the table above: chain, OCSP and registration are judged by core
    return context


def system_server_context(accepted: Iterable[bytes]) -> ssl.SSLContext:
    """For the client proxy's HTTPS port: `accepted` are the DER certificates of all clients' information systems."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SYSTEM_SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
    _load(context, accepted)
    return context


def submission_context(accepted: Iterable[bytes], certificate: Path, key: Path, pin: str | None) -> ssl.SSLContext:
    """For the transparency log's submissions: a client shows one of `accepted` (DER), or there is no connection.
    SettingsError when key and certificate cannot be used."""
    context = system_server_context(accepted)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(certificate, key, pin or "")
    except (OSError, ssl.SSLError) as e:
        raise SettingsError([f"{key}: not the key of {certificate}, or a wrong pin"]) from e
    return context


def log_client_context(accepted: Sequence[bytes]) -> ssl.SSLContext:
    """For submissions to the transparency log: it shows one of `accepted` (DER), or there is no connection; names are not compared.
    Our own key is loaded by whoever shows it."""
    context = service_client_context(accepted)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def service_client_context(accepted: Sequence[bytes]) -> ssl.SSLContext:
    """For HTTPS services: `accepted` are the owner's certificates (DER); names are not compared (1.4), so whoever uses it must look
    that the server's certificate is one of them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
    _load(context, accepted)
    return context


def unchecked_service_context() -> ssl.SSLContext:
    """For a service whose administrator wrote `verify_tls: false`: encrypted, but to whoever answers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _load(context: ssl.SSLContext, ders: Iterable[bytes]) -> None:
    data = b"".join(ders)
    if data:
        context.load_verify_locations(cadata=data)


def shown_chain(connection: ssl.SSLObject | ssl.SSLSocket | None) -> tuple[bytes, ...]:
    """DER certificates the other end showed, leaf first; empty when it showed none.

    Python before 3.13 has the whole chain only on the object below `SSLObject`.
    """
    if connection is None:
        return ()
    public = getattr(connection, "get_unverified_chain", None)
    if public is not None:
        return tuple(public())
    chain = connection._sslobj.get_unverified_chain()  # type: ignore[union-attr]
    return tuple(c.public_bytes(_ssl.ENCODING_DER) for c in chain or ())
