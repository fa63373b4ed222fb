"""Revocation lists (RFC 5280 5): which certificates of one authority were revoked, signed by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.trust.authority import Identity
from gateway.trust.status import CertificateIndex, IssuedCertificate


@dataclass(frozen=True, slots=True)
class RevocationListing:
    """`valid_for`: from one list to the latest moment of the next."""

    authority: Identity
    index: CertificateIndex
    valid_for: timedelta

    def signed(self, now: datetime) -> bytes:
        """The whole list at this moment, in DER. Numbers grow with time (RFC 5280 5.2.3). OSError or MalformedMessage when the
        index cannot be read."""
        now = now.astimezone(UTC).replace(microsecond=0)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.authority.certificate.subject)
            .last_update(now)
            .next_update(now + self.valid_for)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        for certificate in self.index.revoked():
            builder = builder.add_revoked_certificate(_entry(certificate))
        return builder.sign(self.authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _entry(certificate: IssuedCertificate) -> x509.RevokedCertificate:
    revocation = certificate.revocation
    assert revocation is not None  # CertificateIndex.revoked
    entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial).revocation_date(revocation.time)
    if revocation.reason is not x509.ReasonFlags.unspecified:  # RFC 5280 5.3.1
        entry = entry.add_extension(x509.CRLReason(revocation.reason), critical=False)
    return entry.build()
