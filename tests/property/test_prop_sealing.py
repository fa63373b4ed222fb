"""Any bytes give a value or MalformedMessage; any altered byte of an envelope is refused; what was sealed opens again."""

from __future__ import annotations

import io
from contextlib import suppress
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage
from gateway.core.sealing.access import open_access
from gateway.core.sealing.envelope import seal, unseal
from gateway.core.sealing.keys import KeyRing, parse_keyring
from gateway.core.sealing.records import seal_piece, unseal_piece
from gateway.messagelog.archivecipher import Identities
from tests.support.age import recipient
from tests.support.sealing import data_key

CIPHER = AESGCM(bytes(range(32)))
KEY = data_key()
OPENER = Identities(recipient().identity)
NONCES = st.binary(min_size=12, max_size=12)


@given(st.binary(max_size=200), st.binary(max_size=60), NONCES, st.data())
@settings(max_examples=60)
def test_an_altered_byte_anywhere_is_refused(plain: bytes, place: bytes, nonce: bytes, data: st.DataObject) -> None:
    envelope = bytearray(seal(CIPHER, plain, place, nonce))
    assert unseal(CIPHER, bytes(envelope), place) == plain
    at = data.draw(st.integers(0, len(envelope) - 1))
    envelope[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MalformedMessage):
        unseal(CIPHER, bytes(envelope), place)


@given(st.binary(max_size=100))
@settings(max_examples=60)
def test_any_bytes_are_refused_in_words(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        unseal(CIPHER, data, b"place")


@given(st.text(max_size=200) | st.from_regex(r"\A(\w{1,3}:[0-9a-f]{64} ?){1,3}\Z"))
@settings(max_examples=60)
def test_any_text_is_a_keyring_or_is_refused(text: str) -> None:
    with suppress(MalformedMessage):
        ring = parse_keyring(text)
        assert isinstance(ring, KeyRing)
        assert len({key.id for key in ring.keys}) == len(ring.keys) >= 1


@given(st.lists(st.binary(max_size=8), min_size=2, max_size=5), st.permutations(range(5)), st.integers(1, 5))
@settings(max_examples=60)
def test_pieces_out_of_order_or_cut_off_are_refused(pieces: list[bytes], order: list[int], keep: int) -> None:
    body, count = UUID(int=1), len(pieces)
    sealed = [
        seal_piece(piece, KEY, body, n, last=n == count - 1, nonce=n.to_bytes(12, "big"))
        for n, piece in enumerate(pieces)
    ]
    given_order = [n for n in order if n < count][:keep]
    shuffled = [sealed[n] for n in given_order]
    end = len(shuffled) - 1
    if given_order == list(range(count)):
        assert [unseal_piece(e, KEY, body, n, last=n == end) for n, e in enumerate(shuffled)] == pieces
        return
    with pytest.raises(MalformedMessage):
        _ = [unseal_piece(e, KEY, body, n, last=n == end) for n, e in enumerate(shuffled)]


@given(
    st.binary(max_size=300)
    | st.builds(lambda tail: b"age-encryption.org/v1\n-> X25519 " + tail, st.binary(max_size=200))
)
@settings(max_examples=60)
def test_any_bytes_are_no_encrypted_archive(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        OPENER.decrypt(io.BytesIO(data), io.BytesIO())


@given(st.text(max_size=200) | st.from_regex(r"\A(AGE-SECRET-KEY-1[A-Z0-9]{20,60}\n){1,3}\Z"))
@settings(max_examples=60)
def test_any_text_is_identities_or_is_refused(text: str) -> None:
    with suppress(MalformedMessage):
        assert Identities(text)


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=60)
def test_any_bytes_are_no_access_record(data: bytes, sealed: bool) -> None:
    record = UUID(int=1)
    place = b"access\0" + str(record).encode() + KEY.id.bytes
    with pytest.raises(MalformedMessage):
        open_access(seal(KEY.cipher, data, place, bytes(12)) if sealed else data, record, KEY)
