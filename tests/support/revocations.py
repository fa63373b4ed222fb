"""Who was revoked, as a test says: the port of the exchange, and lists of the authority of `tests/support/documents.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.documents.revocation import KnownRevocations, Link
from tests.support.documents import Documents
from tests.support.pki import Issued


@dataclass
class KnownToTest:
    """The port `Revocations`."""

    known: KnownRevocations = field(default_factory=KnownRevocations)
    wanted: list[Link] = field(default_factory=list)

    def current(self) -> KnownRevocations:
        return self.known

    def want(self, links: Sequence[Link]) -> None:
        self.wanted += links


def revocation_list(
    world: Documents,
    *revoked: Issued,
    signer: Issued | None = None,
    valid_for: timedelta = timedelta(days=9),
    extension: x509.ExtensionType | None = None,
    form: Encoding = Encoding.DER,
) -> bytes:
    """Of the facilities' authority, at the world's moment. `signer`: who signs in its name; `extension`: a critical one."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(world.pki.ca.certificate.subject)
        .last_update(world.now)
        .next_update(world.now + valid_for)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(world.now)
        builder = builder.add_revoked_certificate(entry.build())
    if extension is not None:
        builder = builder.add_extension(extension, critical=True)
    key = (signer or world.pki.ca).key
    return builder.sign(key, hashes.SHA256()).public_bytes(form)
