"""Signed documents, good and bad: each with its cause, and nothing that stood in one repeated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.documents.causes import WORDS, Cause, DocumentRejected
from gateway.core.documents.reading import MOST_TAGS
from gateway.core.documents.verify import VerifiedDocument, trust_list, verify_document
from tests.support.documents import BAD, ENVELOPED, EXCLUSIVE, INCLUSIVE, OLDEST, Bad, Documents, notice
from tests.support.pki import KeyKind


@pytest.fixture(scope="module")
def world() -> Documents:
    return Documents()


def verify(world: Documents, document: bytes) -> VerifiedDocument:
    return verify_document(document, world.trust, at=world.now, oldest=OLDEST)


def cause_of(world: Documents, document: bytes) -> Cause:
    with pytest.raises(DocumentRejected) as e:
        verify(world, document)
    assert e.value.code == f"invalid_document.{e.value.cause.value}"
    assert "Trần" not in e.value.safe_detail
    return e.value.cause


@pytest.mark.parametrize("key", ["ec", "rsa", "pss"])
@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("uri", ["", "#n1"])
def test_good(world: Documents, key: KeyKind, exclusive: bool, uri: str) -> None:
    by = world.issue(key=key)
    found = verify(world, world.signed(by=by, exclusive=exclusive, uri=uri))
    assert (found.certificate, found.signing_time) == (by.certificate, world.now)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad(world: Documents, bad: Bad) -> None:
    assert cause_of(world, bad.make(world)) is bad.cause


def test_a_signature_may_stand_deep_in_the_document(world: Documents) -> None:
    document = world.signed(notice(extra="<signatures> <unit/>tail</signatures>"), below="unit")
    assert verify(world, document).signing_time == world.now


def test_the_text_behind_a_signature_is_covered(world: Documents) -> None:
    document = world.signed(notice(extra="<signatures/>"), below="signatures")
    assert cause_of(world, document.replace(b"</ds:Signature>", b"</ds:Signature>x")) is Cause.ALTERED


@pytest.mark.parametrize("transforms", [(ENVELOPED,), (ENVELOPED, INCLUSIVE + "#WithComments")])
def test_without_a_transform_canonical_form_is_inclusive(world: Documents, transforms: tuple[str, ...]) -> None:
    assert verify(world, world.signed(exclusive=False, transforms=transforms))


@pytest.mark.parametrize("transforms", [(EXCLUSIVE, ENVELOPED), (EXCLUSIVE,), (ENVELOPED, EXCLUSIVE, EXCLUSIVE)])
def test_other_transforms(world: Documents, transforms: tuple[str, ...]) -> None:
    assert cause_of(world, world.signed(transforms=transforms)) is Cause.FORM


def test_through_an_intermediate_authority(world: Documents) -> None:
    between = world.pki.issue_intermediate("Between")
    by = world.issue(issuer=between)
    assert verify(world, world.signed(by=by, certificates=[between])).certificate == by.certificate
    assert cause_of(world, world.signed(by=by)) is Cause.UNTRUSTED


def test_a_path_through_somebody_who_may_not_issue(world: Documents) -> None:
    by = world.issue(issuer=world.signer)
    assert cause_of(world, world.signed(by=by, certificates=[world.signer])) is Cause.UNTRUSTED


def test_nobody_is_trusted(world: Documents) -> None:
    with pytest.raises(DocumentRejected) as e:
        verify_document(world.signed(), trust_list([]), at=world.now, oldest=OLDEST)
    assert e.value.cause is Cause.UNTRUSTED


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-24T18:00:00", datetime(2026, 11, 24, 11, tzinfo=UTC)),  # no zone: the country's own time
        ("2026-11-24T18:00:00.1234567+07:00", datetime(2026, 11, 24, 11, 0, 0, 123456, UTC)),
        (" 2026-11-24T11:00:00Z ", datetime(2026, 11, 24, 11, tzinfo=UTC)),
    ],
)
def test_how_signing_times_are_written(world: Documents, text: str, time: datetime) -> None:
    assert verify(world, world.signed(time=text)).signing_time == time


def test_just_in_time(world: Documents) -> None:
    assert verify(world, world.signed(time=world.now + timedelta(minutes=4)))
    assert verify(world, world.signed(time=world.now - OLDEST))


def test_a_bare_key_beside_the_certificate_is_not_used(world: Documents) -> None:
    modulus = b"<ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
    key = b"<ds:KeyValue><ds:RSAKeyValue>" + modulus + b"</ds:RSAKeyValue></ds:KeyValue>"
    assert verify(world, world.signed().replace(b"<ds:KeyInfo>", b"<ds:KeyInfo>" + key))
    alone = world.signed().replace(b"<ds:X509Data>", key + b"<ds:Spam>").replace(b"</ds:X509Data>", b"</ds:Spam>")
    assert cause_of(world, alone) is Cause.FORM


def test_an_id_that_is_named_twice(world: Documents) -> None:
    document = world.signed().replace(b"</notice>", b'<x ID="p1"/></notice>')
    assert cause_of(world, document) is Cause.WRAPPED


def test_a_byte_order_mark_and_windows_line_ends(world: Documents) -> None:
    document = world.signed()
    assert verify(world, b"\xef\xbb\xbf" + document.replace(b"\n", b"\r\n").replace(b"?>\r\n", b"?>\n"))


def test_more_tags_than_a_tree_is_worth(world: Documents) -> None:
    assert cause_of(world, b"<n>" + b"<a/>" * (MOST_TAGS + 1) + b"</n>") is Cause.TOO_LARGE


def test_every_cause_has_words_in_both_languages() -> None:
    assert WORDS.keys() == set(Cause)
    assert all(words.vi and words.en for words in WORDS.values())


def test_a_later_moment_is_another_verdict(world: Documents) -> None:
    document = world.signed()
    with pytest.raises(DocumentRejected) as e:
        verify_document(document, world.trust, at=world.now + timedelta(days=31), oldest=OLDEST)
    assert e.value.cause is Cause.SIGNING_TIME


def test_what_is_signed_inside_the_signature_may_say_anything(world: Documents) -> None:
    """The time stands in a namespace of its own; XAdES properties beside it need no signature."""
    unsigned = (
        b'<ds:Object><x:UnsignedProperties xmlns:x="http://uri.etsi.org/01903/v1.3.2#"/></ds:Object></ds:Signature>'
    )
    assert verify(world, world.signed().replace(b"</ds:Signature>", unsigned))
