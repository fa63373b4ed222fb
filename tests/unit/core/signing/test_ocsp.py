from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from gateway.core.errors import CertificateStatusUnknown, MalformedMessage
from gateway.core.identifiers import MemberId
from gateway.core.signing.ocsp import OcspVerdict, cert_id, parse_ocsp, select, verify_ocsp
from tests.support.pki import FRESHNESS, Pki

MEMBER = MemberId("VN", "GOV", "G01")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def pki() -> Pki:
    return Pki()


def check(
    pki: Pki, response: bytes, certificate: x509.Certificate, at: datetime | None = None, **trust: Any
) -> OcspVerdict:
    listed = pki.trust(**trust)
    return verify_ocsp(response, certificate, pki.ca.certificate, listed.approved_cas[0].top, listed, at or pki.now)


def test_good(pki: Pki) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    verdict = check(pki, pki.ocsp(certificate), certificate)
    assert verdict == OcspVerdict(pki.now - MINUTE, pki.now - MINUTE + timedelta(days=1), pki.now - MINUTE + FRESHNESS)


def test_valid_until_is_the_earlier_of_next_update_and_freshness(pki: Pki) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    soon = pki.ocsp(certificate, next_update=pki.now + MINUTE)
    assert check(pki, soon, certificate).valid_until == pki.now + MINUTE
    assert check(pki, soon, certificate, verify_next_update=False).valid_until == pki.now - MINUTE + FRESHNESS
    never = pki.ocsp(certificate, next_update=None)
    assert check(pki, never, certificate).valid_until == pki.now - MINUTE + FRESHNESS


@pytest.mark.parametrize(
    ("moved", "code"),
    [
        ({"this_update": -FRESHNESS}, None),
        ({"this_update": -FRESHNESS - timedelta(seconds=1)}, "incorrect_validation_info"),
        ({"this_update": timedelta(seconds=60)}, None),
        ({"this_update": timedelta(seconds=61)}, "incorrect_validation_info"),
        ({"next_update": timedelta(0)}, None),
        ({"next_update": timedelta(seconds=-1)}, "incorrect_validation_info"),
    ],
)
def test_times(pki: Pki, moved: dict[str, timedelta], code: str | None) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    moments: dict[str, Any] = {name: pki.now + by for name, by in moved.items()}
    response = pki.ocsp(certificate, **moments)
    if code is None:
        check(pki, response, certificate)
        return
    with pytest.raises(CertificateStatusUnknown) as e:
        check(pki, response, certificate)
    assert e.value.code == code


def test_a_past_next_update_can_be_allowed(pki: Pki) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    response = pki.ocsp(certificate, next_update=pki.now - timedelta(seconds=30))
    assert check(pki, response, certificate, verify_next_update=False)


def test_revoked_and_unknown(pki: Pki) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    unknown = pki.ocsp(certificate, status="unknown")
    pki.revoke(certificate)
    for response in (unknown, pki.ocsp(certificate)):
        with pytest.raises(CertificateStatusUnknown) as e:
            check(pki, response, certificate)
        assert e.value.code == "cert_validation"


def test_about_another_certificate_or_by_sha256(pki: Pki) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    other = pki.issue_sign(MEMBER).certificate
    for response in (pki.ocsp(other), pki.ocsp(certificate, digest=hashes.SHA256())):
        with pytest.raises(CertificateStatusUnknown) as e:
            check(pki, response, certificate)
        assert e.value.code == "cert_validation"


def test_only_the_first_single_response_counts(pki: Pki) -> None:
    """The library refuses to read further ones at all; an answer of two about this certificate last is about the first."""
    certificate = pki.issue_sign(MEMBER).certificate
    good, revoked = (parse_ocsp(pki.ocsp(certificate, status=s)) for s in ("good", "revoked"))
    assert good.cert_id == revoked.cert_id == cert_id(certificate, pki.ca.certificate)


def test_responder_named_by_key(pki: Pki) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    assert check(pki, pki.ocsp(certificate, by_key=True), certificate)
    rsa = Pki(ca_key="rsa")
    rsa.ocsp_signer = rsa.issue_ocsp_signer(rsa.ca, key="rsa")
    certificate = rsa.issue_sign(MEMBER).certificate
    assert check(rsa, rsa.ocsp(certificate, by_key=True), certificate)


@pytest.mark.parametrize("by_key", [True, False])
def test_the_ca_itself_may_answer(pki: Pki, by_key: bool) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    response = pki.ocsp(certificate, signer=pki.ca, embed=[], by_key=by_key)
    assert check(pki, response, certificate, list_ocsp=False)


def test_a_delegated_responder_may_answer(pki: Pki) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    assert check(pki, pki.ocsp(certificate), certificate, list_ocsp=False)


def test_a_listed_responder_may_answer_whoever_certified_it() -> None:
    pki, elsewhere = Pki(), Pki(ca_name="Elsewhere")
    pki.ocsp_signer = elsewhere.issue_ocsp_signer(elsewhere.ca, extended=[])
    certificate = pki.issue_sign(MEMBER).certificate
    for response in (pki.ocsp(certificate), pki.ocsp(certificate, embed=[])):
        assert check(pki, response, certificate)


def test_responders_that_may_not_answer(pki: Pki) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    elsewhere = Pki(ca_name="Elsewhere")
    without_purpose = pki.issue_ocsp_signer(pki.ca, "plain", extended=[])
    expired = pki.issue_ocsp_signer(pki.ca, "old", not_after=pki.now - MINUTE)
    below = pki.issue_ocsp_signer(pki.issue_intermediate(), "below")
    rows = {
        "no purpose": pki.ocsp(certificate, signer=without_purpose),
        "expired": pki.ocsp(certificate, signer=expired),
        "of another CA": pki.ocsp(certificate, signer=elsewhere.ocsp_signer),
        "of a CA below": pki.ocsp(certificate, signer=below),
        "unknown": pki.ocsp(certificate, signer=elsewhere.ocsp_signer, embed=[]),
        "the member itself": pki.ocsp(certificate, signer=pki.issue_sign(MEMBER)),
    }
    for response in rows.values():
        with pytest.raises(CertificateStatusUnknown) as e:
            check(pki, response, certificate)
        assert e.value.code == "incorrect_validation_info"


def test_a_name_does_not_make_a_responder(pki: Pki) -> None:
    """Same responder name, another key: the listed certificate is found and does not verify."""
    certificate = pki.issue_sign(MEMBER).certificate
    impostor = pki.issue_ocsp_signer(pki.issue_intermediate(pki.ca_name), "OCSP")
    assert impostor.certificate.subject == pki.ocsp_signer.certificate.subject
    with pytest.raises(CertificateStatusUnknown) as e:
        check(pki, pki.ocsp(certificate, signer=impostor, embed=[]), certificate)
    assert e.value.code == "incorrect_validation_info"


@pytest.mark.parametrize("flip", [0x01, 0x07])
def test_an_altered_answer(pki: Pki, flip: int) -> None:
    certificate = pki.issue_sign(MEMBER).certificate
    response = pki.ocsp(certificate)
    accepted = []
    for position in range(len(response)):
        altered = response[:position] + bytes([response[position] ^ flip]) + response[position + 1 :]
        try:
            check(pki, altered, certificate)
        except (MalformedMessage, CertificateStatusUnknown):
            continue
        accepted.append(position)
    assert accepted == []


def test_bytes_that_are_no_answer(pki: Pki) -> None:
    tried_later = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    good = pki.ocsp(pki.issue_sign(MEMBER).certificate)
    for data in (
        b"",
        b"0",
        good[:-1],
        good + b"\0",
        tried_later.public_bytes(serialization.Encoding.DER),
        bytes(70_000),
    ):
        with pytest.raises(MalformedMessage) as e:
            parse_ocsp(data)
        assert e.value.code == "incorrect_validation_info"


def test_select(pki: Pki) -> None:
    one, two = (pki.issue_sign(MEMBER).certificate for _ in range(2))
    responses = [pki.ocsp(one), pki.ocsp(two)]
    assert select(responses, two, pki.ca.certificate) == responses[1]
    with pytest.raises(CertificateStatusUnknown) as e:
        select(responses[:1], two, pki.ca.certificate)
    assert e.value.code == "cert_validation"
    with pytest.raises(MalformedMessage):
        select([b"junk", *responses], two, pki.ca.certificate)
