from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.core.digest import DigestAlgorithm, sha512
from gateway.core.errors import GatewayError, MalformedMessage, TimestampRejected
from gateway.core.identifiers import MemberId
from gateway.core.signing.hashtree import build_tree
from gateway.core.signing.timestamp import accept_response, verify_batch_timestamp, verify_timestamp
from gateway.core.signing.timestampbatch import batch_chain, batch_result
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.tsp import PkiFailure, build_query, build_rejection, parse_query, parse_token
from gateway.core.signing.xades import parse_signature
from gateway.core.signing.xadestimestamp import with_timestamp
from tests.support.pki import KeyKind, Pki

DATA = b"octets of a signature value"
MEMBER = MemberId("VN", "GOV", "G01")


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def approved(pki: Pki, **options: Any) -> tuple[bytes, ApprovedTsa]:
    """A token by an authority with such a certificate, which is approved."""
    tsa = pki.issue_tsa(**options)
    return pki.stamp(DATA, by=tsa), ApprovedTsa("another", "http://x/", tsa.certificate)


def refusal(token: bytes, *tsas: ApprovedTsa, data: bytes = DATA) -> GatewayError:
    with pytest.raises(TimestampRejected) as e:
        verify_timestamp(token, data, tsas)
    return e.value


def test_the_request_of_xroad() -> None:
    query = build_query(sha512(DATA))
    assert query.hex() == "3054020101304f300b06096086480165030402030440" + sha512(DATA).value.hex()
    asked = parse_query(query)
    assert (asked.imprint, asked.policy, asked.nonce) == (sha512(DATA), None, None)
    assert (asked.certificate_wanted, asked.has_extensions) == (False, False)
    with pytest.raises(MalformedMessage):
        build_query(DigestAlgorithm.SHA256.of(DATA))


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_a_token_verifies(pki: Pki, key: KeyKind) -> None:
    token, tsa = approved(pki, key=key)
    verified = verify_timestamp(token, DATA, (pki.approved_tsa, tsa))
    assert (verified.time, verified.tsa, verified.imprint) == (pki.now, tsa, sha512(DATA))
    assert verified.serial == parse_token(token).serial
    assert len(verified.steps) == 3


def test_another_imprint_fail(pki: Pki) -> None:
    assert refusal(pki.stamp(DATA), pki.approved_tsa, data=DATA + b".").code == "malformed_signature"


def test_an_authority_that_is_not_approved_fail(pki: Pki) -> None:
    other = Pki()  # the same names and serial numbers, other keys
    assert refusal(pki.stamp(DATA)).code == "mlog.tsp_certificate_not_found"
    assert refusal(other.stamp(DATA), pki.approved_tsa).code == "mlog.timestamp_signer_verification_failed"


@pytest.mark.parametrize(
    "options",
    [
        {"extended": []},
        {"extended_critical": False},
        {"extended": [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CLIENT_AUTH]},
        {"extended": [ExtendedKeyUsageOID.OCSP_SIGNING]},
    ],
)
def test_a_certificate_for_something_else_fail(pki: Pki, options: dict[str, Any]) -> None:
    assert refusal(*approved(pki, **options)).code == "mlog.timestamp_signer_verification_failed"


def test_validity_at_the_time_stamped(pki: Pki) -> None:
    tsa = pki.issue_tsa(not_after=pki.now + timedelta(days=1))
    listed = ApprovedTsa("short", "http://x/", tsa.certificate)
    assert verify_timestamp(pki.stamp(DATA, by=tsa), DATA, (listed,)).time == pki.now
    late = pki.authority(tsa).answer(build_query(sha512(DATA)), pki.now + timedelta(days=2))
    with pytest.raises(TimestampRejected, match="time_not_available"):
        accept_response(late, DATA, listed)


def test_every_altered_byte_is_refused_or_means_the_same(pki: Pki) -> None:
    token = pki.stamp(DATA)
    good = verify_timestamp(token, DATA, (pki.approved_tsa,))
    start = token.index(pki.tsa.der)  # unsigned and of no authority: only that it parses is asked
    for at in [*range(start), *range(start + len(pki.tsa.der), len(token))]:
        altered = token[:at] + bytes((token[at] ^ 1,)) + token[at + 1 :]
        try:
            verified = verify_timestamp(altered, DATA, (pki.approved_tsa,))
        except TimestampRejected:
            continue
        assert verified == good, at


def test_what_is_kept_of_an_answer(pki: Pki) -> None:
    answer = pki.authority().answer(build_query(sha512(DATA)), pki.now)
    token, verified = accept_response(answer, DATA, pki.approved_tsa)
    assert pki.tsa.der not in answer
    assert parse_token(token).certificates == (pki.tsa.certificate,)
    assert verified == verify_timestamp(token, DATA, (pki.approved_tsa,))


@pytest.mark.parametrize("answer", [b"", b"<html>", build_rejection(PkiFailure.SYSTEM_FAILURE, "not today")])
def test_answers_without_a_token(pki: Pki, answer: bytes) -> None:
    with pytest.raises(TimestampRejected) as e:
        accept_response(answer, DATA, pki.approved_tsa)
    assert e.value.code == "mlog.timestamp_non_granted_response"


def test_one_time_stamp_over_many_signatures(pki: Pki) -> None:
    signatures = [b"<signature number='%d'/>" % n for n in range(11)]
    tree = build_tree([sha512(s) for s in signatures])
    result = batch_result(tree.root)
    token = pki.stamp(result)
    for n, signature in enumerate(signatures):
        chain = batch_chain(sha512(signature), tree.path(n))
        verified = verify_batch_timestamp(token, result, chain, signature, (pki.approved_tsa,))
        assert verified.steps[-1] == "Hash chain leads from the signature to what was stamped"
        with pytest.raises(TimestampRejected, match="invalid_hash_chain"):
            verify_batch_timestamp(token, result, chain, signature + b" ", (pki.approved_tsa,))


def test_a_chain_about_something_else_fail(pki: Pki) -> None:
    signatures = [b"<a/>", b"<b/>"]
    tree = build_tree([sha512(s) for s in signatures])
    result = batch_result(tree.root)
    chain = batch_chain(sha512(b"<a/>"), tree.path(0)).replace(b"/META-INF/signatures.xml", b"/message.xml")
    with pytest.raises(TimestampRejected, match="invalid_reference"):
        verify_batch_timestamp(pki.stamp(result), result, chain, b"<a/>", (pki.approved_tsa,))
    with pytest.raises(MalformedMessage):
        batch_chain(sha512(b"<a/>"), ())


@pytest.mark.parametrize("key", ["ec", "rsa"])
def test_a_token_in_a_signature(pki: Pki, key: KeyKind) -> None:
    signature = pki.sign_message(pki.issue_sign(MEMBER, key), b"GET /x\r\n\r\n").signature
    before = parse_signature(signature)
    token = pki.stamp(before.value)
    stamped = with_timestamp(signature, token)
    after = parse_signature(stamped)
    assert (after.timestamps, after.value, after.ocsp) == ((token,), before.value, before.ocsp)
    assert b"<xades:UnsignedSignatureProperties><xades:SignatureTimeStamp><xades:EncapsulatedTimeStamp>" in stamped
    assert verify_timestamp(after.timestamps[0], after.value, (pki.approved_tsa,)).time == pki.now


def test_no_place_for_a_token(pki: Pki) -> None:
    signature = pki.sign_message(pki.issue_sign(MEMBER), b"GET /x\r\n\r\n").signature
    start = signature.index(b"<xades:UnsignedProperties>")
    end = signature.index(b"</xades:UnsignedProperties>") + len(b"</xades:UnsignedProperties>")
    for bad in (signature[:start] + signature[end:], b"", b"<UnsignedSignatureProperties>"):
        with pytest.raises(MalformedMessage):
            with_timestamp(bad, pki.stamp(DATA))
