"""The rule for a signed document in a message: where it stands, whose signatures count, what happens when it is not good."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509

from gateway.core.content.finding import Finding, Policy
from gateway.core.documents.causes import Cause, DocumentRejected
from gateway.core.documents.revocation import KnownRevocations, RevocationRule, StatusUnknown
from gateway.core.documents.verify import verify_document
from gateway.core.errors import MalformedMessage
from gateway.core.signing.trust import InstanceTrust
from gateway.core.subjects.view import Locator, MessageView
from gateway.core.subjects.xpath import FromXPath

_AROUND = 64 << 10  # what may stand around a document in the body that holds it


@dataclass(frozen=True, slots=True)
class FacilityPlace:
    """Where a document names the facility that made it. `pattern`: of its code, so that nothing else gets into a report.
    `attribute`: of the certificate's subject, which must hold the same code; None: whoever is on the trust list may sign."""

    place: FromXPath
    pattern: re.Pattern[str]
    attribute: x509.ObjectIdentifier | None = None

    def code(self, document: bytes) -> str:
        """Empty when it cannot be told."""
        try:
            found = self.place.find(MessageView({}, None, (), document))
        except MalformedMessage:
            return ""
        code = found[0] if len(found) == 1 else None
        return code if code is not None and self.pattern.fullmatch(code) else ""

    def require(self, code: str, certificate: x509.Certificate) -> None:
        """DocumentRejected (`untrusted`) unless this certificate is that facility's."""
        if self.attribute is None:
            return
        named = {a.value for a in certificate.subject.get_attributes_for_oid(self.attribute)}
        if named != {code}:
            raise DocumentRejected(
                Cause.UNTRUSTED, "The signer's certificate is not of the facility that the document names"
            )


@dataclass(frozen=True, slots=True)
class DocumentRule:
    """`place`: of the document's base64 in the body; None: the body is the document. `largest`: bytes of a document. `oldest`: age
    of its signing time. `facility`: None: the client stands for the facility. `revocation`: None: nobody looks. `unknown`: what
    happens while it is not known whether a certificate was revoked; never more than `policy` does."""

    policy: Policy
    place: Locator | None
    trust: InstanceTrust
    largest: int
    oldest: timedelta
    facility: FacilityPlace | None = None
    revocation: RevocationRule | None = None
    unknown: Policy = Policy.BLOCK

    @property
    def most_bytes(self) -> int:
        """Of a body that is worth reading: a larger one is `too_large` without being read."""
        return self.largest if self.place is None else self.largest * 4 // 3 + _AROUND

    def examine(self, body: bytes | None, at: datetime, known: KnownRevocations) -> Finding:
        """`body`: the whole body, None when there is none. `known`: of revocations, at `at`."""
        facility = ""
        try:
            document = self._document(body)
            facility = "" if self.facility is None else self.facility.code(document)
            verified = verify_document(document, self.trust, at=at, oldest=self.oldest)
            if self.facility is not None:
                self.facility.require(facility, verified.certificate)
            if self.revocation is not None:
                self.revocation.check(verified.path, known, at)
        except StatusUnknown as e:
            return replace(self.rejected(e, facility, self.policy.or_milder(self.unknown)), wanted=e.wanted)
        except DocumentRejected as e:
            return self.rejected(e, facility)
        return Finding("document", self.policy, Cause.GOOD.value, facility, refuse=False)

    def too_large(self) -> Finding:
        return self.rejected(DocumentRejected(Cause.TOO_LARGE, "The document is larger than this service takes"))

    def rejected(self, error: DocumentRejected, facility: str = "", policy: Policy | None = None) -> Finding:
        policy = policy or self.policy
        return Finding("document", policy, error.cause.value, facility, policy is Policy.BLOCK, error.safe_detail)

    def _document(self, body: bytes | None) -> bytes:
        found = body if self.place is None else self._embedded(self.place, body)
        if not found:
            raise DocumentRejected(Cause.UNSIGNED, "There is no document where the service contract says")
        if len(found) > self.largest:
            raise DocumentRejected(Cause.TOO_LARGE, "The document is larger than this service takes")
        return found

    @staticmethod
    def _embedded(place: Locator, body: bytes | None) -> bytes | None:
        try:
            found = place.find(MessageView({}, None, (), body))
            if len(found) != 1 or found[0] is None:
                return None
            return binascii.a2b_base64("".join(found[0].split()).encode(), strict_mode=True)
        except (MalformedMessage, ValueError) as e:
            raise DocumentRejected(Cause.MALFORMED, "The document's place in the message cannot be read") from e
