"""Whom the signatures of one instance are believed from: a value cut out of the global configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509


@dataclass(frozen=True, slots=True)
class CaCertificate:
    """A CA certificate of shared-params (`topCA` or `intermediateCA`) with what it says about OCSP."""

    certificate: x509.Certificate
    ocsp_urls: tuple[str, ...] = ()
    ocsp_certificates: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovedCa:
    """`approvedCA`. `profile` is the Java class name of the certificate profile (reference 4.5)."""

    name: str
    authentication_only: bool
    profile: str
    top: CaCertificate
    intermediates: tuple[CaCertificate, ...] = ()

    @property
    def certificates(self) -> tuple[CaCertificate, ...]:
        return (self.top, *self.intermediates)


@dataclass(frozen=True, slots=True)
class ApprovedTsa:
    """`approvedTSA`: a time-stamping authority, its address and the one certificate its tokens are signed with."""

    name: str
    url: str
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class InstanceTrust:
    """Everything that decides whether a certificate of `instance` is good at a moment.

    `ocsp_freshness` and `verify_next_update` are the *own* instance's settings (reference 7.8). `fingerprint` changes exactly
    when the content does, so that verdicts can be remembered by it.
    """

    instance: str
    approved_cas: tuple[ApprovedCa, ...]
    ocsp_freshness: timedelta
    verify_next_update: bool
    fingerprint: bytes
