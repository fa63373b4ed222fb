"""The one error family.

GatewayError
├── MalformedMessage            bytes that are not what they claim
├── AuthenticationFailed        who you are is not established
│   ├── PeerRejected
│   ├── SignatureRejected
│   ├── CertificateStatusUnknown
│   ├── TimestampRejected       when it was said is not established
│   └── BearerRejected
├── AccessDenied                who you are is known, and it is not allowed
├── ReplayedRequest             this very request was already accepted once
├── UnknownSubject              member, service or server not in the configuration
├── PeerUnavailable             the other security server did not answer
├── ServiceUnavailable          the service behind us did not answer
├── PeerFault                   the other security server answered with a fault; relayed unchanged
├── InconsistentResponse        validly signed, but not the answer to this request
├── ProofRejected               what a transparency log says does not hold: a signature, a proof, its history
├── EvidenceUnavailable         cannot log: the exchange stops
├── TrustOutdated               global configuration expired or rolled back
├── KeyTokenError               locked, missing key, device gone
└── SettingsError               at start-up or reload; carries every problem at once

An error carries the X-Road *code* in 7.8 style (snake_case, categories joined with dots). The prefix that says whose fault it
is comes once, in `exchange/blame.py`. `safe_detail` may be shown to anybody: no secrets, no personal data, no `%` (X-Road
servers run texts through a format function; reference 1.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class GatewayError(Exception):
    """Base of the family. `code`: X-Road error code without blame prefix; `safe_detail`: a sentence for the caller."""

    default_code: ClassVar[str] = "internal_error"

    def __init__(self, safe_detail: str, *, code: str | None = None) -> None:
        self.code = code or self.default_code
        self.safe_detail = safe_detail.replace("%", "(percent)")
        super().__init__(f"{self.code}: {self.safe_detail}")


class MalformedMessage(GatewayError):
    default_code = "invalid_message"


class AuthenticationFailed(GatewayError):
    default_code = "ssl_authentication_failed"


class PeerRejected(AuthenticationFailed):
    """The other security server's authentication certificate is not acceptable."""


class SignatureRejected(AuthenticationFailed):
    """The message signature does not establish who said this. Code below `signature_verification` where X-Road has it."""

    default_code = "signature_verification.invalid_signature_value"


class CertificateStatusUnknown(AuthenticationFailed):
    """No usable OCSP answer: revoked, unknown, too old, from nobody who may say so."""

    default_code = "cert_validation"


class TimestampRejected(AuthenticationFailed):
    """A time-stamp that does not establish when these bytes existed."""

    default_code = "malformed_signature"


class BearerRejected(AuthenticationFailed):
    pass


class AccessDenied(GatewayError):
    default_code = "access_denied"


class ReplayedRequest(GatewayError):
    default_code = "replayed_request"


class UnknownSubject(GatewayError):
    default_code = "unknown_member"


class PeerUnavailable(GatewayError):
    default_code = "network_error"


class ServiceUnavailable(GatewayError):
    default_code = "network_error"


class PeerFault(GatewayError):
    """A fault made by the other security server: `code` is already complete (its prefix included) and is not touched."""

    def __init__(self, code: str, text: str, detail: str | None = None) -> None:
        super().__init__(text, code=code)
        self.fault_detail = detail


class InconsistentResponse(GatewayError):
    default_code = "inconsistent_response"


class ProofRejected(GatewayError):
    """A checkpoint, receipt or proof that parses and does not hold."""

    default_code = "invalid_proof"


class EvidenceUnavailable(GatewayError):
    default_code = "logging_failed"


class TrustOutdated(GatewayError):
    default_code = "global_conf_outdated"


class KeyTokenError(GatewayError):
    default_code = "cannot_sign"


class SettingsError(GatewayError):
    """Every problem of a configuration at once; each line is `file:line:column: path: what is wrong`."""

    default_code = "malformed_server_conf"

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
