"""Certificates of others that are revoked, as we were told ourselves.

Servers bring the OCSP answers for their own certificates, and a good one stays fresh for as long as the instance allows. Who lost a
key has every reason to go on showing the last good one. So what we asked ourselves (`revocation/watch.py`) counts as well, and
only ever against a certificate: nothing becomes good by it.
"""

from __future__ import annotations

from collections.abc import Iterable


class RevokedCertificates:
    """By DER. One for both kinds of verdicts (`SignerVerdicts`, `PeerVerdicts`)."""

    def __init__(self) -> None:
        self._known: frozenset[bytes] = frozenset()

    def __contains__(self, certificate: bytes) -> bool:
        return certificate in self._known

    def __len__(self) -> int:
        return len(self._known)

    def any_of(self, certificates: Iterable[bytes]) -> bool:
        return not self._known.isdisjoint(certificates)

    def add(self, certificate: bytes) -> None:
        self._known |= {certificate}

    def lift(self, certificate: bytes) -> None:
        """A later answer says good again: it was on hold."""
        self._known -= {certificate}
