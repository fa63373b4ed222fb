"""What comes apart gives exactly its bytes again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import MemberId
from gateway.core.messagelog.frames import Apart, pieces_of, put_together, take_apart, values_along
from tests.support.pki import KeyKind, Pki

_WORDS = (b"DigestValue", b"SignatureValue", b"SigningTime", b"<", b">", b"</ds:", b"\0", b"Value>", b"<x>")
_ANYTHING = st.lists(st.sampled_from(_WORDS) | st.binary(max_size=9), max_size=4).map(b"".join)
_TAGS = tuple(b"<ds:%s>" % word for word in (_WORDS[0], *_WORDS[:3]))


@st.composite
def _like_a_signature(draw: st.DrawFn) -> bytes:
    return b"".join(part for tag in (*_TAGS, b"") for part in (draw(_ANYTHING), tag, draw(_ANYTHING), b"<"))


@given(_like_a_signature())
@example(b"<ds:DigestValue><ds:DigestValue><ds:SignatureValue><ds:SigningTime><")
def test_any_bytes_that_come_apart_are_the_same_together(signature: bytes) -> None:
    apart = take_apart(signature)
    assume(apart is not None)
    assert apart is not None
    assert put_together(apart) == signature
    assert take_apart(apart.frame) == Apart(apart.frame, b"<<<")
    assert values_along(pieces_of(apart.frame), signature) == apart.values


@given(
    _like_a_signature(),
    st.lists(st.binary(max_size=3) | st.sampled_from((*_WORDS[:3], b">")), min_size=4, max_size=4),
    st.data(),
)
def test_values_along_a_frame_are_those_of_taking_apart(
    signature: bytes, own: list[bytes], data: st.DataObject
) -> None:
    apart = take_apart(signature)
    assume(apart is not None)
    assert apart is not None
    pieces = pieces_of(apart.frame)
    values = b"<".join(value.replace(b"<", b"") for value in own)
    other = put_together(Apart(apart.frame, values))
    assert take_apart(other) == Apart(apart.frame, values)
    assert values_along(pieces, other) == values
    at = data.draw(st.integers(0, len(other)))
    altered = other[:at] + data.draw(st.sampled_from((b"<", b"x"))) + other[at + 1 :]
    found, again = values_along(pieces, altered), take_apart(altered)
    assert found is None or again == Apart(apart.frame, found)
    assert found is not None or again is None or again.frame != apart.frame


@given(st.binary(max_size=50) | _ANYTHING | _like_a_signature(), st.binary(max_size=20) | st.just(b"1<2<3<4"))
def test_any_frame_and_values_give_a_signature_or_malformed(frame: bytes, values: bytes) -> None:
    try:
        signature = put_together(Apart(frame, values))
    except MalformedMessage:
        assert take_apart(frame) != Apart(frame, b"<<<") or values.count(b"<") != 3
    else:
        assert len(signature) == len(frame) + len(values) - 3


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_messages_of_one_signer_have_one_frame(kind: KeyKind) -> None:
    pki = Pki()
    signer = pki.issue_sign(MemberId("VN", "GOV", "G01"), kind)
    with_answer = pki.credential(signer)
    signatures = [pki.sign_message(signer, b"%d" % n, credential=with_answer).signature for n in range(2)]
    first, second = map(take_apart, signatures)
    assert first is not None and second is not None
    assert first.frame == second.frame
    assert first.values != second.values
    assert len(first.values) < 300 + (256 if kind == "rsa" else 0)
    with pytest.raises(MalformedMessage):
        put_together(replace(first, values=first.values + b"<"))


@pytest.mark.parametrize("cut", [b"", b"DigestValue", b"SignatureValue", b"SigningTime"])
def test_what_has_no_such_elements_stays_whole(cut: bytes) -> None:
    digests = b"<DigestValue>1</DigestValue><DigestValue>2</DigestValue>"
    whole = digests + b"<SignatureValue>3</SignatureValue><SigningTime>4</SigningTime>"
    assert take_apart(whole) is not None
    assert take_apart(whole.replace(cut, b"Other") if cut else b"") is None
    assert take_apart(whole[:-14]) is None
