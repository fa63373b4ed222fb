"""What a contract and a service's settings say of a message's content: signed documents, reasons of returns.

The contract says where things stand, which belongs to the service; the server's settings say whom to trust and how strict to be,
which belongs to its operator.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from gateway.core.content.document import DocumentRule, FacilityPlace
from gateway.core.content.finding import Policy
from gateway.core.content.returns import ReturnRule
from gateway.core.documents.revocation import RevocationRule, Source
from gateway.core.documents.verify import trust_list
from gateway.core.signing.trust import InstanceTrust
from gateway.core.subjects.pointer import FromPointer
from gateway.core.subjects.view import Locator
from gateway.core.subjects.xpath import FromXPath
from gateway.settings.common import (
    ByteCount,
    CertificateFile,
    Duration,
    ExistingFile,
    HttpUrl,
    Size,
    Strict,
    load_certificates,
)
from gateway.settings.names import Piece
from gateway.settings.reasons import build_reasons, load_reasons

_MOST_DOCUMENT = 32 << 20  # it is read into memory as a whole

_ATTRIBUTES: dict[str, x509.ObjectIdentifier] = {
    "serial_number": NameOID.SERIAL_NUMBER,
    "organization_identifier": NameOID.ORGANIZATION_IDENTIFIER,
    "user_id": NameOID.USER_ID,
    "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
}

PolicyName = Literal["observe", "warn", "block"]


def _pointer(value: object) -> FromPointer:
    if not isinstance(value, str):
        raise ValueError("must be text: a JSON pointer such as /reason/code")
    if "*" in value.split("/"):
        raise ValueError("must name one place, without '*'")
    return FromPointer(value)


def _pattern(value: object) -> re.Pattern[str]:
    try:
        return re.compile(str(value), re.ASCII)
    except re.error as e:
        raise ValueError(f"is not a regular expression: {e.msg}") from e


Pointer = Annotated[
    FromPointer, PlainValidator(_pointer), WithJsonSchema({"type": "string", "examples": ["/reason/code"]})
]
Pattern = Annotated[
    re.Pattern[str],
    PlainValidator(_pattern),
    WithJsonSchema({"type": "string", "format": "regex", "examples": ["[0-9]{5}"]}),
]


class FacilitySettings(Strict):
    """Where a document names who made it."""

    xpath: str
    namespaces: dict[Piece, str] = Field(default_factory=dict)
    pattern: Pattern
    certificate: Literal["serial_number", "organization_identifier", "user_id", "organizational_unit"] | None = None

    @model_validator(mode="after")
    def _expression(self) -> Self:
        self.place()
        return self

    def place(self) -> FacilityPlace:
        """ValueError when the expression is none."""
        attribute = None if self.certificate is None else _ATTRIBUTES[self.certificate]
        return FacilityPlace(FromXPath(self.xpath, tuple(self.namespaces.items())), self.pattern, attribute)


class DocumentSettings(Strict):
    """The document of an endpoint's requests: the body itself, or base64 at a place in it."""

    at: Literal["body", "request"]
    pointer: Pointer | None = None
    xpath: str | None = None
    namespaces: dict[Piece, str] = Field(default_factory=dict)
    facility: FacilitySettings | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        places = sum(place is not None for place in (self.pointer, self.xpath))
        if places != (self.at == "request"):
            raise ValueError("'at: request' needs either 'pointer' (JSON) or 'xpath' (XML), 'at: body' neither")
        if self.namespaces and self.xpath is None:
            raise ValueError("'namespaces' belong to 'xpath'")
        self.locator()
        return self

    def locator(self) -> Locator | None:
        """ValueError when the expression is none."""
        if self.xpath is not None:
            return FromXPath(self.xpath, tuple(self.namespaces.items()))
        return self.pointer


class ConditionSettings(Strict):
    """Requests that return a dossier: those with one of `values` at `pointer`."""

    pointer: Pointer
    values: Annotated[tuple[str, ...], Field(min_length=1)]


class ReturnSettings(Strict):
    """Where an endpoint's requests say why a dossier goes back."""

    codes: ExistingFile
    when: ConditionSettings
    code: Pointer
    legal_reference: Pointer

    def rule(self) -> ReturnRule:
        """SettingsError when the list of reasons cannot be read."""
        reasons = build_reasons(load_reasons(self.codes))
        return ReturnRule(self.when.pointer, self.when.values, self.code, self.legal_reference, reasons)


class RevocationSettings(Strict):
    """Where it is published who was revoked, of those whom the trust list's authorities certified."""

    source: Literal["none", "crl", "ocsp"]
    urls: tuple[HttpUrl, ...] = ()
    refresh: Duration = timedelta(hours=1)
    freshest: Duration = timedelta(hours=24)
    unknown: PolicyName | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        looks = self.source != "none"
        if looks != bool(self.urls) or looks != (self.unknown is not None):
            raise ValueError("'crl' and 'ocsp' need 'urls' and 'unknown', 'none' takes neither")
        if looks and self.freshest < self.refresh:
            raise ValueError("'freshest' must be longer than 'refresh', or nothing is ever known for long")
        return self

    def rule(self) -> RevocationRule | None:
        """None when nobody looks."""
        return None if self.source == "none" else RevocationRule(Source(self.source), self.freshest)


class DocumentsSettings(Strict):
    """How a service of this server deals with the documents that its contract names."""

    policy: PolicyName
    trust: Annotated[tuple[CertificateFile, ...], Field(min_length=1)]
    largest: Size = ByteCount(4 << 20)
    oldest: Duration = timedelta(days=30)
    endpoints: dict[str, PolicyName] = Field(default_factory=dict)
    revocation: RevocationSettings = RevocationSettings(source="none")

    @model_validator(mode="after")
    def _fits_memory(self) -> Self:
        if self.largest > _MOST_DOCUMENT:
            raise ValueError(f"'largest' is at most {ByteCount(_MOST_DOCUMENT)}: a document is judged in memory")
        return self

    def rule(self, endpoint: str, document: DocumentSettings) -> DocumentRule:
        """Of an endpoint as the contract writes it. ValueError when a file of the trust list holds no certificate."""
        return DocumentRule(
            policy=Policy(self.endpoints.get(endpoint, self.policy)),
            place=document.locator(),
            trust=self.authorities(),
            largest=self.largest,
            oldest=self.oldest,
            facility=None if document.facility is None else document.facility.place(),
            revocation=self.revocation.rule(),
            unknown=Policy(self.revocation.unknown or self.policy),
        )

    def authorities(self) -> InstanceTrust:
        """The trust list. ValueError when a file of it holds no certificate."""
        return trust_list([c for path in self.trust for c in load_certificates(path)])
