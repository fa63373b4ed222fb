"""What of a record is sealed, and that no envelope opens in another place than its own."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.record import MessageRecord, RecordedBody
from gateway.core.sealing.keys import DataKey
from gateway.core.sealing.records import (
    RECORD_NONCES,
    emptied,
    seal_piece,
    unseal_piece,
    unseal_record,
)
from tests.support.log_states import NOW, digest_of_nothing
from tests.support.sealing import data_key, sealed_record

KEY = data_key()
NONCES = bytes(range(RECORD_NONCES))
BODY_ID = UUID(int=3)


def record(body: bytes | None = b"Nguyen Thi Hoa") -> MessageRecord:
    recorded = None if body is None else RecordedBody(len(body), digest_of_nothing(), body, None)
    names = ("message", "request", "VN/GOV/G22/dvc", "VN/GOV/G01/dancu/person")
    part = b"GET /r1/persons/999300000017 HTTP/1.1"
    return MessageRecord(
        uuid4(), NOW, "client", "request", *names, None, None, None, part, b"<s/>", None, None, recorded, "f1"
    )


@pytest.mark.parametrize("body", [None, b"", b"Nguyen Thi Hoa"])
def test_part_and_body_are_sealed_and_nothing_else(body: bytes | None) -> None:
    plain = record(body)
    sealed = sealed_record(plain, KEY, NONCES)
    assert unseal_record(sealed, KEY) == plain
    assert sealed.sealed_by == KEY.id
    assert sealed.body is None or sealed.body.inline != body
    assert b"999300000017" not in sealed.part
    assert emptied(sealed) == replace(emptied(plain), sealed_by=KEY.id)


def test_a_body_in_pieces_is_left_to_its_pieces() -> None:
    pieces = RecordedBody(5, digest_of_nothing(), None, BODY_ID, KEY.id)
    sealed = sealed_record(replace(record(None), body=pieces), KEY, NONCES)
    assert sealed.body == pieces
    assert unseal_record(sealed, KEY).body == pieces


def _moved(one: MessageRecord, other: MessageRecord) -> list[MessageRecord]:
    assert one.body is not None
    assert other.body is not None
    return [
        replace(one, part=other.part),
        replace(one, body=replace(one.body, inline=other.body.inline)),
        replace(one, part=one.body.inline or b""),
        replace(one, body=replace(one.body, inline=one.part)),
        replace(one, uid=other.uid),
    ]


def test_swapped_envelopes_do_not_open() -> None:
    one, other = (sealed_record(record(), KEY, NONCES) for _ in range(2))
    for moved in _moved(one, other):
        with pytest.raises(MalformedMessage):
            unseal_record(moved, KEY)


def test_a_key_with_another_id_does_not_open_it() -> None:
    sealed = sealed_record(record(), KEY, NONCES)
    with pytest.raises(MalformedMessage):
        unseal_record(sealed, DataKey(uuid4(), KEY.day, KEY.member, KEY.cipher, KEY.index))


def test_a_body_of_another_length_is_refused() -> None:
    sealed = sealed_record(record(), KEY, NONCES)
    assert sealed.body is not None
    with pytest.raises(MalformedMessage, match="as long as"):
        unseal_record(replace(sealed, body=replace(sealed.body, size=3)), KEY)


def test_a_piece_opens_in_its_position_of_its_body_alone() -> None:
    envelope = seal_piece(b"piece", KEY, BODY_ID, 1, last=False, nonce=NONCES[:12])
    assert unseal_piece(envelope, KEY, BODY_ID, 1, last=False) == b"piece"
    for body, n, last in ((BODY_ID, 0, False), (BODY_ID, 1, True), (UUID(int=4), 1, False)):
        with pytest.raises(MalformedMessage):
            unseal_piece(envelope, KEY, body, n, last=last)
