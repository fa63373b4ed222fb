"""Certificates as administrators are given them: several in a PEM file, or one in DER, as pages of X-Road servers give it."""

from __future__ import annotations

from cryptography import x509

from gateway.core.errors import MalformedMessage

_PEM = b"-----BEGIN CERTIFICATE-----"


def certificates_in(data: bytes) -> list[x509.Certificate]:
    """In the order of the file, at least one. MalformedMessage when there is none, or one that cannot be read."""
    try:
        return x509.load_pem_x509_certificates(data) if _PEM in data else [x509.load_der_x509_certificate(data)]
    except (ValueError, TypeError, x509.InvalidVersion) as e:
        raise MalformedMessage("a certificate cannot be read as PEM or DER", code="cert_not_found") from e
