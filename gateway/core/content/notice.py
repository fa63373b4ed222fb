"""The header by which a consumer learns, signed by the provider, that its document was taken in spite of its signature.

    Document-Check: warn; cause=unsigned

Consumers that do not know it pass it on untouched; a service's own header of that name does not travel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.core.content.finding import GOOD, Finding, Policy

NOTICE_HEADER = "Document-Check"


def with_notice(headers: Iterable[tuple[str, str]], findings: Iterable[Finding]) -> Sequence[tuple[str, str]]:
    """The service's headers as they may travel, then the warnings."""
    kept = [(name, value) for name, value in headers if name.lower() != NOTICE_HEADER.lower()]
    warned = (f for f in findings if f.policy is Policy.WARN and f.cause != GOOD)
    return [*kept, *((NOTICE_HEADER, f"{f.policy.value}; cause={f.cause}") for f in warned)]
