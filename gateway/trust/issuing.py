"""The authority answers certificate requests: it takes key and subject from them, and writes everything else itself.

The request proves that its maker holds the key. That he is who the subject says is not decided here: whoever runs `gateway issue`
has made sure of it, and is shown the subject.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from cryptography import x509

from gateway.core.signing.requests import CertificateRequest
from gateway.settings.trust import TrustSettings
from gateway.trust.authority import Authority, Use, validity
from gateway.trust.service import load_identity
from gateway.trust.status import CertificateIndex


def load_authority(settings: TrustSettings) -> Authority:
    """With its private key. SettingsError when key and certificate do not fit together."""
    return Authority(load_identity(settings.ca), CertificateIndex(settings.status).record)


def issue(
    authority: Authority, request: CertificateRequest, use: Use, now: datetime, *, years: float
) -> x509.Certificate:
    """A certificate of the authority's own form (reference 4.5), known to its OCSP responder on return. Nothing outlives the CA."""
    during = validity(now, years=years)
    ends = min(during.not_after, authority.identity.certificate.not_valid_after_utc)
    return authority.certify(request.subject, request.public_key, use, replace(during, not_after=ends))
