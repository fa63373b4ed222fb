"""Revoked, good or unknown: by lists and answers as they are at a moment, whatever claims to be one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.content.document import DocumentRule
from gateway.core.content.finding import Finding, Policy
from gateway.core.documents.revocation import KnownRevocations, RevocationRule, Source, read_answer, read_list
from gateway.core.errors import AuthenticationFailed, MalformedMessage
from gateway.core.signing.certificates import sha256_hex
from tests.support.documents import OLDEST, Documents
from tests.support.pki import OcspStatus
from tests.support.revocations import revocation_list

_DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def world() -> Documents:
    return Documents()


def known_from(world: Documents, *lists: bytes) -> KnownRevocations:
    return KnownRevocations(tuple(read_list(data, [world.pki.ca.certificate]) for data in lists))


def found(
    world: Documents,
    known: KnownRevocations,
    *,
    later: timedelta = timedelta(),
    policy: Policy = Policy.BLOCK,
    unknown: Policy = Policy.BLOCK,
    source: Source = Source.CRL,
) -> Finding:
    """Of the world's signer, its document signed at the moment at which it comes."""
    at = world.now + later
    rule = DocumentRule(policy, None, world.trust, 1 << 20, OLDEST, None, RevocationRule(source, _DAY), unknown)
    return rule.examine(world.signed(time=at), at, known)


def test_a_list_without_the_signer_is_good_while_it_is_fresh(world: Documents) -> None:
    known = known_from(world, revocation_list(world, world.issue()))
    assert found(world, known).cause == "good"
    assert found(world, known, later=_DAY).cause == "good"
    assert found(world, known, later=_DAY + timedelta(seconds=1)).cause == "status_unknown"
    assert found(world, known, later=timedelta(minutes=-6)).cause == "status_unknown", "a list from the future"


def test_the_lists_own_end_counts(world: Documents) -> None:
    known = known_from(world, revocation_list(world, valid_for=timedelta(hours=1)))
    assert found(world, known, later=timedelta(hours=1)).cause == "good"
    assert found(world, known, later=timedelta(hours=1, seconds=1)).cause == "status_unknown"


def test_a_revocation_is_for_good(world: Documents) -> None:
    known = known_from(world, revocation_list(world, world.signer))
    assert [found(world, known, later=n * _DAY).cause for n in (0, 1, 20)] == ["revoked"] * 3
    both = KnownRevocations((*known.lists, *known_from(world, revocation_list(world)).lists))
    assert found(world, both).cause == "revoked", "although another list does not name it"


def test_a_document_of_before_the_revocation_is_refused_too(world: Documents) -> None:
    known = known_from(world, revocation_list(world, world.signer))
    rule = DocumentRule(Policy.BLOCK, None, world.trust, 1 << 20, OLDEST, None, RevocationRule(Source.CRL, _DAY))
    assert rule.examine(world.signed(time=world.now - 3 * _DAY), world.now, known).cause == "revoked"


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("unknown", Policy)
def test_what_is_not_known_goes_by_the_settings_and_never_beyond_the_policy(
    world: Documents, policy: Policy, unknown: Policy
) -> None:
    finding = found(world, KnownRevocations(), policy=policy, unknown=unknown)
    milder = min(policy, unknown, key=list(Policy).index)
    assert (finding.cause, finding.policy, finding.refuse) == ("status_unknown", milder, milder is Policy.BLOCK)
    assert finding.wanted == ((world.signer.certificate, world.pki.ca.certificate),)
    known = known_from(world, revocation_list(world, world.signer))
    assert found(world, known, policy=policy, unknown=unknown).policy is policy


def test_an_authority_in_between_is_looked_at_as_well(world: Documents) -> None:
    middle = world.pki.issue_ca("Intermediate", issuer=world.pki.ca)
    signer = world.issue(issuer=middle)
    rule = DocumentRule(Policy.BLOCK, None, world.trust, 1 << 20, OLDEST, None, RevocationRule(Source.CRL, _DAY))
    document = world.signed(by=signer, certificates=[middle])
    assert rule.examine(document, world.now, known_from(world, revocation_list(world, middle))).cause == "revoked"
    nothing_of_middle = rule.examine(document, world.now, known_from(world, revocation_list(world)))
    assert (nothing_of_middle.cause, len(nothing_of_middle.wanted)) == ("status_unknown", 1)


def test_lists_in_both_forms(world: Documents) -> None:
    issuers = [world.pki.ca.certificate]
    for form in (Encoding.DER, Encoding.PEM):
        assert read_list(revocation_list(world, world.signer, form=form), issuers).revoked == {
            world.signer.certificate.serial_number
        }


def test_lists_of_others_fail(world: Documents) -> None:
    stranger = world.pki.issue_ca("CA of facilities")
    for signed_by in (stranger, world.signer):
        with pytest.raises(AuthenticationFailed):
            read_list(revocation_list(world, signer=signed_by), [world.pki.ca.certificate])
    with pytest.raises(AuthenticationFailed):
        read_list(revocation_list(world), [])


_POINT = x509.DistributionPoint([x509.UniformResourceIdentifier("http://x")], None, None, None)


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(_POINT.full_name, None, True, False, None, False, False),
        x509.IssuingDistributionPoint(_POINT.full_name, None, False, False, None, True, False),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"),
    ],
    ids=["delta", "users only", "of several issuers", "unheard of"],
)
def test_parts_of_lists_fail(world: Documents, extension: x509.ExtensionType) -> None:
    with pytest.raises(MalformedMessage):
        read_list(revocation_list(world, extension=extension), [world.pki.ca.certificate])


def test_a_list_that_was_changed_fails(world: Documents) -> None:
    data = revocation_list(world, world.signer)
    later = data.replace(b"261124120000Z", b"261124130000Z", 1)
    assert later != data
    with pytest.raises(AuthenticationFailed):
        read_list(later, [world.pki.ca.certificate])


_WORLD = Documents()
_SAMPLE = revocation_list(_WORLD, _WORLD.signer)
_VERSION = _SAMPLE.index(b"\2\1\1") + 2  # of the list; none has version 0


@settings(max_examples=60)
@given(st.binary(max_size=300), st.integers(0, 5000), st.binary(min_size=1, max_size=4))
@example(b"", _VERSION, b"\0")
def test_any_bytes_are_a_list_or_one_error(raw: bytes, at: int, instead: bytes) -> None:
    spoilt = bytearray(_SAMPLE)
    spoilt[at % len(spoilt) : at % len(spoilt) + len(instead)] = instead
    for data in (raw, bytes(spoilt)):
        try:
            assert read_list(data, [_WORLD.pki.ca.certificate]).issuer == _WORLD.pki.ca.certificate
        except (MalformedMessage, AuthenticationFailed):
            continue


@pytest.mark.parametrize(("status", "cause"), [("good", "good"), ("revoked", "revoked"), ("unknown", "status_unknown")])
def test_answers_about_one_certificate(world: Documents, status: OcspStatus, cause: str) -> None:
    certificate = world.signer.certificate
    response = world.pki.ocsp(certificate, status=status)
    trust = replace(world.trust, approved_cas=world.pki.trust().approved_cas)
    try:
        answers = {sha256_hex(certificate): read_answer(response, certificate, trust, _DAY, world.now)}
    except AuthenticationFailed:
        answers = {}
    known = KnownRevocations(answers=answers)
    assert found(world, known, source=Source.OCSP).cause == cause
    assert found(world, known, source=Source.CRL).cause == "status_unknown", "an answer is no list"
    later = found(world, known, later=2 * _DAY, source=Source.OCSP).cause
    assert later == ("revoked" if cause == "revoked" else "status_unknown")


def test_an_answer_about_another_certificate_fails(world: Documents) -> None:
    other = world.issue()
    trust = replace(world.trust, approved_cas=world.pki.trust().approved_cas)
    with pytest.raises(AuthenticationFailed):
        read_answer(world.pki.ocsp(other.certificate), world.signer.certificate, trust, _DAY, world.now)
