"""Who is at the other end of a mutual TLS connection: verdicts on authentication certificates, remembered while they hold."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from gateway.core.errors import AuthenticationFailed, PeerRejected
from gateway.core.globalconf.model import GlobalConfiguration, SecurityServer
from gateway.core.identifiers import ClientId
from gateway.core.signing.ocsp import known_by
from gateway.core.signing.revoked import RevokedCertificates
from gateway.core.signing.verify import VerifiedServer, verify_auth_certificate

_MOST = 1024


_Key: TypeAlias = tuple[str, bytes, tuple[bytes, ...], tuple[bytes, ...]]


class PeerVerdicts:
    """Good verdicts by (instance, trust, certificates, OCSP answers), some kilobytes each. Bounded in number, and in time: none is
    used before the moment it was found at (a clock set back) or after `valid_until`. `revoked`: whose certificates are refused
    whatever the answers beside them say."""

    def __init__(self, revoked: RevokedCertificates | None = None) -> None:
        self._revoked = RevokedCertificates() if revoked is None else revoked
        self._known: OrderedDict[_Key, tuple[datetime, VerifiedServer]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def certificates(self) -> set[tuple[str, bytes]]:
        """Instance and DER of every certificate there is a verdict on."""
        return {(instance, certificate) for instance, _, chain, _ in self._known for certificate in chain}

    def verify(
        self, chain: Sequence[bytes], ocsp: Sequence[bytes], trust: GlobalConfiguration, client: ClientId, now: datetime
    ) -> tuple[SecurityServer, VerifiedServer]:
        """The registered server behind `chain` (DER, leaf first), which must have `client` among its clients (reference 3.3).

        PeerRejected or CertificateStatusUnknown otherwise. Registration is looked up every time; only the certificate and
        OCSP checks are remembered.
        """
        if not chain:
            raise PeerRejected("The other security server showed no certificate")
        instance_trust = trust.trust(client.instance, now)
        key = (client.instance, instance_trust.fingerprint, tuple(chain), known_by(tuple(ocsp)))
        since, verified = self._known.get(key, (now, None))
        if verified is not None and since <= now < verified.valid_until:
            self.hits += 1
            self._known.move_to_end(key)
        else:
            self.misses += 1
            verified = verify_auth_certificate(chain, ocsp, instance_trust, now)
            self._known[key] = (now, verified)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        if self._revoked.any_of(chain):
            raise PeerRejected("OCSP says by now that the authentication certificate is revoked")
        server = trust.server_with_auth_cert(chain[0], client, now)
        if server is None:
            raise PeerRejected(f"The authentication certificate is not registered for a security server of '{client}'")
        return server, verified


def as_peer_failure(error: AuthenticationFailed) -> PeerRejected:
    """Whatever made the TLS identity unacceptable, peers are told `ssl_authentication_failed` (reference 3.3, 10)."""
    if isinstance(error, PeerRejected) and error.code.startswith("ssl_authentication_failed"):
        return error
    rejected = PeerRejected(error.safe_detail)
    rejected.__cause__ = error
    return rejected
