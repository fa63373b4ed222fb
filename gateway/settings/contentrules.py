"""Contract and service settings together -> the rules that core examines messages by, and what does not fit between the two."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.content.rules import ContentRules, EndpointRules, content_rules
from gateway.core.errors import SettingsError
from gateway.settings.content import DocumentsSettings
from gateway.settings.contracts import ContractSettings, EndpointSettings
from gateway.settings.loader import Finding, nearest
from gateway.settings.yaml12 import Place


def build_content_rules(contract: ContractSettings, documents: DocumentsSettings | None) -> ContentRules | None:
    """None when the contract demands nothing of the content. SettingsError when a file that it names cannot be read."""
    return content_rules(tuple(_rules(endpoint, documents) for endpoint in contract.endpoints))


def _rules(endpoint: EndpointSettings, documents: DocumentsSettings | None) -> EndpointRules:
    method, template = endpoint.match
    document = None
    if endpoint.document is not None:
        assert documents is not None  # document_findings saw to it
        try:
            document = documents.rule(endpoint.written, endpoint.document)
        except ValueError as e:
            raise SettingsError([str(e)]) from e
    returned = None if endpoint.return_reason is None else endpoint.return_reason.rule()
    return EndpointRules(method, template, document, returned)


def document_findings(
    contract: ContractSettings, documents: DocumentsSettings | None, path: Place
) -> Iterator[Finding]:
    """`path`: of the service. Policy and trust are said exactly where the contract names documents."""
    signed = [e.written for e in contract.endpoints if e.document is not None]
    if documents is None:
        if signed:
            text = f"needs 'documents': the contract names a signed document at {signed[0]!r}"
            yield Finding(path, text)
        return
    if not signed:
        yield Finding((*path, "documents"), "the contract names no document at any endpoint")
    for written in documents.endpoints:
        if written not in signed:
            close = nearest(written, signed)
            text = f"the contract names no document at {written!r}{close}"
            yield Finding((*path, "documents", "endpoints", written), text, at_key=True)
