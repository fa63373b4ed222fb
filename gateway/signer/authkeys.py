"""This server's authentication keys for TLS with other security servers: what is shown, and which of several.

A key is *ready* when its certificate is valid now, registered for this server in the global configuration, and has fresh OCSP
answers. Shown is the first in the administrator's order that has been ready for `settle`, because another server learns of a
registration only when it next fetches the global configuration; else the first that is ready; else the first at all, and the other
side says what is wrong. So a new key is written above the old one, registered, and takes over by itself while both are good.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.errors import GatewayError, KeyTokenError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.identifiers import SecurityServerId
from gateway.core.signing.certificates import der, find_issuer
from gateway.core.signing.trust import InstanceTrust
from gateway.signer.signer import OcspAnswers
from gateway.signer.tokens import KeyToken


class AuthKeys:
    """`globalconf`: the configuration in force; it raises GatewayError while there is none."""

    def __init__(
        self,
        server: SecurityServerId,
        globalconf: Callable[[], GlobalConfiguration],
        ocsp: OcspAnswers,
        clock: Callable[[], datetime],
        settle: timedelta,
    ) -> None:
        self._server = server
        self._globalconf = globalconf
        self._ocsp = ocsp
        self._clock = clock
        self._settle = settle
        self._keys: tuple[AuthKey, ...] = ()
        self._ready_since: dict[bytes, datetime] = {}
        self._current: AuthKey | None = None

    def use(self, tokens: Sequence[KeyToken]) -> None:
        """These keys from now on, in order of preference; at least one."""
        trust = self._globalconf().trust(self._server.instance, self._clock())
        known = {key.chain: key for key in self._keys}
        keys = (AuthKey(token, self._ocsp, certificates_to_show(token, trust)) for token in tokens)
        self._keys = tuple(known.get(key.chain, key) for key in keys)
        self.follow()

    def current(self) -> AuthKey:
        """The key that is shown; the same object until another takes over."""
        assert self._current is not None  # `use` comes first
        return self._current

    def follow(self) -> bool:
        """Look again which key is to be shown; whether that changed."""
        now, before = self._clock(), self._current
        ready = [key for key in self._keys if self._is_ready(key, now)]
        self._ready_since = {key.chain[0]: self._ready_since.get(key.chain[0], now) for key in ready}
        if before in ready:  # the one in use goes on until another has been ready long enough
            ready = [k for k in ready if k is before or now - self._ready_since[k.chain[0]] >= self._settle]
        self._current = next(iter(ready or self._keys))
        return self._current is not before

    @property
    def keys(self) -> tuple[AuthKey, ...]:
        """All, in order of preference."""
        return self._keys

    def ocsp_answers(self) -> Mapping[bytes, bytes]:
        """As `AuthKey.ocsp_answers`, of all keys: a connection may have been made with any of them."""
        return {der: answer for key in self._keys for der, answer in key.ocsp_answers().items()}

    def _is_ready(self, key: AuthKey, now: datetime) -> bool:
        certificate = key.certificate
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            return False
        try:
            server = self._globalconf().server_with_auth_cert(key.chain[0], self._server.owner, now)
        except GatewayError:  # no usable configuration: the exchange itself stops for that
            return False
        return server is not None and server.id == self._server and bool(key.ocsp_responses())


def certificates_to_show(token: KeyToken, trust: InstanceTrust) -> tuple[x509.Certificate, ...]:
    """Leaf first, up to the first that a listed CA issued: a peer wants an OCSP answer for every certificate it is shown, and
    looks for nothing above (reference 3.3). All of them when no listed CA issued any."""
    chain = (token.certificate, *token.intermediates)
    for count, certificate in enumerate(chain, start=1):
        with suppress(GatewayError):
            find_issuer(certificate, trust)
            return chain[:count]
    return chain


class AuthKey:
    """One authentication certificate and key, shown to other security servers as client and as server. `certificates`: what is
    shown, see `certificates_to_show`; otherwise the token's whole chain."""

    def __init__(
        self, token: KeyToken, ocsp: OcspAnswers, certificates: tuple[x509.Certificate, ...] | None = None
    ) -> None:
        self._token = token
        self._ocsp = ocsp
        self.certificates = certificates or (token.certificate, *token.intermediates)
        self.chain = tuple(der(c) for c in self.certificates)  # DER as sent: leaf first, no root (reference 3.1)

    @property
    def certificate(self) -> x509.Certificate:
        return self._token.certificate

    def ocsp_responses(self) -> tuple[bytes, ...]:
        """DER, for each certificate of `chain` in its order; empty unless every one is fresh and good now."""
        answers = [self._ocsp.get(c) for c in self.certificates]
        found = tuple(a for a in answers if a is not None)
        return found if len(found) == len(answers) else ()

    def ocsp_answers(self) -> Mapping[bytes, bytes]:
        """By DER of the certificate, those there are; for the look-up of other servers (reference 3.4)."""
        answers = ((d, self._ocsp.get(c)) for d, c in zip(self.chain, self.certificates, strict=True))
        return {d: a for d, a in answers if a is not None}

    def load_into(self, context: ssl.SSLContext) -> None:
        """KeyTokenError when the token keeps its key or OpenSSL does not take it."""
        pem = b"".join(c.public_bytes(Encoding.PEM) for c in self.certificates) + self._token.export_key()
        try:
            with _as_file(pem) as path:
                context.load_cert_chain(path)
        except OSError as e:  # SSLError is one
            raise KeyTokenError("the authentication key cannot be used for TLS", code="key_not_available") from e


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path whose bytes are in memory only, where the system can do that; elsewhere a private file for as long as it takes."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        with os.fdopen(os.memfd_create("key", os.MFD_CLOEXEC), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as private:  # mode 0600
        private.write(content)
        private.flush()
        yield private.name
