"""What contracts, settings and the list of reasons say of a message's content, and what does not fit between them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.content.finding import Policy
from gateway.core.content.rules import ContentRules
from gateway.core.documents.revocation import RevocationRule, Source
from gateway.core.errors import SettingsError
from gateway.core.identifiers import SubsystemId
from gateway.settings.reasons import build_reasons, load_reasons
from gateway.settings.server import load_server
from gateway.settings.serverconf import server_conf
from tests.support.documents import Documents
from tests.unit.settings.support import SERVER

ROOT = Path(__file__).resolve().parents[3]
CODES = """\
legal_bases: {LAW: {vi: Luật, en: Law, document: Luật 1}}
purposes: {ONE: {vi: Một, en: One, legal_bases: [LAW]}}
categories: {identity: {vi: Định danh, en: Identity}}
"""
REASONS = """\
legal_references: {LAW: {vi: Luật, en: Law, document: Luật 1}}
reasons:
  MISMATCH: {vi: Không khớp, en: Does not agree, legal_references: [LAW]}
  PAPER: {vi: Đòi giấy, en: Paper, legal_references: [LAW], supplied_by: {client: GOV/G15/hotich, law: LAW}}
"""
CONTRACT = """\
service: VN/GOV/G01/dancu/person
codes: FOLDER/codes.yaml
endpoints:
  - match: GET /v1/persons/{id}
    action: {vi: Tra cứu, en: Look-up}
    subjects: none
  - match: POST /v1/verify
    action: {vi: Xác thực, en: Verification}
    subjects: none
    document:
      at: request
      pointer: /document
      facility: {xpath: /notice/@facility, pattern: "[0-9]{5}", certificate: serial_number}
    return_reason:
      codes: FOLDER/reasons.yaml
      when: {pointer: /outcome, values: [returned]}
      code: /reason/code
      legal_reference: /reason/legal_reference
"""
DOCUMENTS = 'documents: {policy: warn, trust: [FOLDER/ca.pem], endpoints: {"POST /v1/verify": block}}'

Change = tuple[str, str]


@pytest.fixture
def rules(tmp_path: Path) -> Callable[..., ContentRules | None]:
    """The rules of `person` with one place changed in one of the files. Problems come without folder names."""

    def load(contract: Change = ("", ""), reasons: Change = ("", ""), server: Change = ("", "")) -> ContentRules | None:
        for name in ("sign.p12", "sign.pin", "auth.key"):
            (tmp_path / name).touch()
        pem = Documents().pki.ca.pem
        (tmp_path / "ca.pem").write_bytes(pem)
        (tmp_path / "auth.pem").write_bytes(pem)
        text = SERVER.replace("file:sign", f"file:{tmp_path}/sign").replace("file:auth", f"file:{tmp_path}/auth")
        text = text.replace("certificate: auth.pem", f"certificate: {tmp_path}/auth.pem")
        text = text.replace("timeout: 10s", f"contract: FOLDER/person.yaml\n        {DOCUMENTS}")
        files = {"codes": (CODES, ("", "")), "reasons": (REASONS, reasons), "person": (CONTRACT, contract)}
        for name, (content, change) in {**files, "server": (text, server)}.items():
            assert not change[0] or content.count(change[0]) == 1, change[0]
            changed = content.replace(*change) if change[0] else content
            (tmp_path / f"{name}.yaml").write_text(changed.replace("FOLDER", str(tmp_path)), "utf-8")
        conf = server_conf(load_server(tmp_path / "server.yaml"))
        return conf.clients[SubsystemId("VN", "GOV", "G01", "dancu")].services["person"].content

    return load


def test_good(rules: Callable[..., ContentRules]) -> None:
    """In force although this server tells citizens nothing."""
    endpoint = rules().find("POST", ("v1", "verify"))
    assert endpoint is not None
    document, returned = endpoint.document, endpoint.returned
    assert document is not None
    assert returned is not None
    assert (document.policy, document.largest, document.oldest) == (Policy.BLOCK, 4 << 20, timedelta(days=30))
    assert [a.top.certificate.subject.rfc4514_string() for a in document.trust.approved_cas] == [
        "CN=CA of facilities,C=VN"
    ]
    assert document.facility is not None
    assert document.facility.code(b'<notice facility="99901"/>') == "99901"
    assert {code: r.unlawful for code, r in returned.reasons.items()} == {"MISMATCH": False, "PAPER": True}


def test_the_policy_of_the_service(rules: Callable[..., ContentRules]) -> None:
    endpoint = rules(server=(', endpoints: {"POST /v1/verify": block}', "")).find("POST", ("v1", "verify"))
    assert endpoint is not None
    assert endpoint.document is not None
    assert endpoint.document.policy is Policy.WARN


def test_revocation(rules: Callable[..., ContentRules]) -> None:
    """Nobody looks unless the settings say where."""
    plain = rules().find("POST", ("v1", "verify"))
    said = "policy: warn, revocation: {source: crl, urls: ['http://a/'], unknown: observe, freshest: 6h}"
    looking = rules(server=("policy: warn", said)).find("POST", ("v1", "verify"))
    assert plain is not None
    assert plain.document is not None
    assert plain.document.revocation is None
    assert looking is not None
    assert looking.document is not None
    assert looking.document.revocation == RevocationRule(Source.CRL, timedelta(hours=6))
    assert looking.document.unknown is Policy.OBSERVE


def test_no_rules(rules: Callable[..., ContentRules | None]) -> None:
    nothing = CONTRACT[CONTRACT.index("    document:") :]
    assert rules(contract=(nothing, ""), server=(f"        {DOCUMENTS}\n", "")) is None


CASES: dict[str, tuple[dict[str, Change], str]] = {
    "a document without policy and trust": (
        {"server": (f"        {DOCUMENTS}\n", "")},
        "needs 'documents': the contract names a signed document at 'POST /v1/verify'",
    ),
    "policy without a document": (
        {"contract": (CONTRACT[CONTRACT.index("    document:") : CONTRACT.index("    return_reason")], "")},
        "documents: the contract names no document at any endpoint",
    ),
    "policy without a contract": (
        {"server": ("        contract: FOLDER/person.yaml\n", "")},
        "documents: belong to services with a 'contract'",
    ),
    "an endpoint without a document": (
        {"server": ("POST /v1/verify\": block", "POST /v1/verified\": block")},
        "the contract names no document at 'POST /v1/verified'; did you mean 'POST /v1/verify'?",
    ),
    "nobody is trusted": ({"server": ("trust: [FOLDER/ca.pem]", "trust: []")}, "documents.trust: must not be empty"),
    "too large for memory": ({"server": ("policy: warn", "policy: warn, largest: 33MiB")}, "'largest' is at most 32MiB: "
        "a document is judged in memory"),
    "another policy": ({"server": ("policy: warn", "policy: worn")}, "did you mean 'warn'?"),
    "revocation by nobody": ({"server": ("policy: warn", "policy: warn, revocation: {source: crl, unknown: warn}")},
        "'crl' and 'ocsp' need 'urls' and 'unknown', 'none' takes neither"),
    "unknown, and nothing said": (
        {"server": ("policy: warn", "policy: warn, revocation: {source: ocsp, urls: ['http://a/']}")},
        "'crl' and 'ocsp' need 'urls' and 'unknown', 'none' takes neither"),
    "never fresh": (
        {"server": ("policy: warn", "policy: warn, revocation: {source: crl, urls: ['http://a/'], unknown: warn, refresh: 2d}")},
        "'freshest' must be longer than 'refresh', or nothing is ever known for long"),
    "no place": ({"contract": ("      pointer: /document\n", "")}, "'at: body' neither"),
    "two places": ({"contract": ("pointer: /document", "pointer: /document\n      xpath: /a")}, "'at: body' neither"),
    "a place in the body itself": ({"contract": ("at: request", "at: body")}, "'at: body' neither"),
    "many places": ({"contract": ("pointer: /document", "pointer: /documents/*")}, "must name one place, without '*'"),
    "no expression": ({"contract": ("/notice/@facility", "/notice/@")}, "is not an XPath expression whose prefixes are in "
        "'namespaces'"),
    "no pattern": ({"contract": ("[0-9]{5}", "[0-9")}, "is not a regular expression: unterminated character set"),
    "a GET": ({"contract": ("POST /v1/verify", "GET /v1/verify")}, "stand in a body: POST, PUT or PATCH"),
    "no list": ({"contract": ("FOLDER/reasons.yaml", "FOLDER/no.yaml")}, "no.yaml': No such file or directory"),
    "an unknown legal reference": (
        {"reasons": ("legal_references: [LAW]}", "legal_references: [LAV]}")},
        "no legal reference 'LAV' in this list; did you mean 'LAW'?",
    ),
    "an unknown law": ({"reasons": ("hotich, law: LAW", "hotich, law: LAV")}, "no legal reference 'LAV' in this list; did you "
        "mean 'LAW'?"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said(rules: Callable[..., ContentRules | None], case: str) -> None:
    change, expected = CASES[case]
    with pytest.raises(SettingsError) as e:
        rules(**change)
    assert e.value.problems[0].endswith(expected), e.value.problems


def test_the_list_of_the_demo() -> None:
    """Every reason that demands a paper says who supplies it, and no other does."""
    reasons = build_reasons(load_reasons(ROOT / "config" / "codes" / "return-reasons.yaml"))
    assert {code for code, reason in reasons.items() if reason.unlawful} == {c for c in reasons if c.startswith("DOI-")}
    assert len(reasons) > len([r for r in reasons.values() if r.unlawful]) > 3
