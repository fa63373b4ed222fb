"""The header that warns: only ours travels, and only for a document that the policy warns of."""

from __future__ import annotations

from gateway.core.content.finding import Finding, Policy
from gateway.core.content.notice import with_notice


def finding(policy: Policy, cause: str) -> Finding:
    return Finding("document", policy, cause, "99901", refuse=False)


def test_warned() -> None:
    headers = [("Content-Type", "text/plain"), ("document-check", "forged")]
    found = [finding(Policy.WARN, "unsigned"), finding(Policy.WARN, "good"), finding(Policy.OBSERVE, "altered")]
    assert with_notice(headers, found) == [("Content-Type", "text/plain"), ("Document-Check", "warn; cause=unsigned")]
    assert with_notice(headers, ()) == [("Content-Type", "text/plain")]
