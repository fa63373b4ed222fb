"""An access record sealed: what is left in clear, what opens it, what finds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from gateway.core.disclosure.leaf import AccessEntry, make_entry
from gateway.core.disclosure.record import Access, Field
from gateway.core.errors import MalformedMessage
from gateway.core.sealing.access import TOKEN_BYTES, AccessKeys, OpenedAccess, SealedAccess, open_access, seal_access
from gateway.core.sealing.envelope import seal
from gateway.core.sealing.keys import DataKey
from gateway.core.subjects.kinds import Person
from tests.support.sealing import data_key

KEY = data_key()
NONCE = bytes(12)
AN = Person("vn-personal-number", "001185000017")
ACCESS = Access(
    time=datetime(2026, 11, 24, 8, tzinfo=UTC),
    consumer="VN/GOV/G22/dvc",
    service="VN/GOV/G01/dancu/person",
    purpose="DVC-GIAI-QUYET-HO-SO",
    legal_basis="ND-63-2024",
    official="mfrggzdfmztwq2lk",
    request_hash="ab" * 64,
    categories=("identity", "residence"),
    outcome="granted",
    case="Hồ sơ của ông An",
    signature_hash="cd" * 64,
    representation="guardian",
    consent="consent-12",
)


def entry(person: Person = AN) -> AccessEntry:
    return make_entry(ACCESS, person, 1, bytes(range(32)), "follows that")


def another_key() -> DataKey:
    return DataKey(uuid4(), KEY.day, KEY.member, KEY.cipher, bytes(32))


def test_it_opens_again() -> None:
    made = entry()
    sealed = seal_access(made, KEY, NONCE)
    assert open_access(sealed.content, made.record_id, KEY) == OpenedAccess(AN, made.fields, made.seed)
    assert sealed.sealed_by == KEY.id


def test_what_stays_in_clear() -> None:
    made = entry()
    sealed = seal_access(made, KEY, NONCE)
    shown = {Field(i).name for i, text in enumerate(sealed.shown) if text}
    assert shown == {"TIME", "CONSUMER", "SERVICE", "PURPOSE", "OUTCOME", "OFFICIAL"}
    assert all(sealed.shown[i] == made.fields[i] for i in (1, 2, 3, 4, 10))
    assert sealed.shown[Field.OFFICIAL] != ACCESS.official
    stored = b"\0".join((sealed.token, sealed.content, "\0".join(sealed.shown).encode()))
    secret = (
        made.seed,
        AN.number.encode(),
        AN.kind.encode(),
        ACCESS.case.encode(),
        ACCESS.official.encode(),
        b"abababab",
    )
    assert [word for word in secret if word in stored] == []


def test_it_is_bound_to_its_record_and_key() -> None:
    sealed = seal_access(entry(), KEY, NONCE)
    with pytest.raises(MalformedMessage):
        open_access(sealed.content, uuid4(), KEY)
    with pytest.raises(MalformedMessage):
        open_access(sealed.content, entry().record_id, another_key())


@pytest.mark.parametrize("plain", [b"", bytes(32), bytes(32 + 16), bytes(32 + 18), bytes(32 + 17) + b"\xff"])
def test_a_content_of_another_form_is_refused(plain: bytes) -> None:
    record = UUID(int=1)
    content = seal(KEY.cipher, plain, b"access\0" + str(record).encode() + KEY.id.bytes, NONCE)
    with pytest.raises(MalformedMessage):
        open_access(content, record, KEY)


def test_a_text_with_a_zero_byte_is_refused() -> None:
    made = make_entry(replace(ACCESS, case="a\0b"), AN, 1, bytes(32))
    with pytest.raises(MalformedMessage):
        seal_access(made, KEY, NONCE)


def test_a_person_is_found_by_one_token_a_key() -> None:
    other = another_key()
    keys = AccessKeys({key.id: key for key in (KEY, other)})
    tokens = [seal_access(entry(), key, NONCE).token for key in (KEY, other)]
    assert keys.persons(AN) == tokens
    assert len(set(tokens)) == 2
    assert {len(token) for token in tokens} == {TOKEN_BYTES}
    for somebody in (replace(AN, number="001185000018"), replace(AN, kind="vn-tax-number")):
        assert seal_access(entry(somebody), KEY, NONCE).token not in keys.persons(AN)
    assert AccessKeys().persons(AN) == []


def test_an_officials_readings_are_found_by_tokens_of_the_pseudonym() -> None:
    sealed: SealedAccess = seal_access(entry(), KEY, NONCE)
    keys = AccessKeys({KEY.id: KEY})
    assert keys.officials([ACCESS.official, ""]) == [ACCESS.official, sealed.shown[Field.OFFICIAL]]
    nobody = make_entry(replace(ACCESS, official=""), AN, 1, bytes(32))
    assert seal_access(nobody, KEY, NONCE).shown[Field.OFFICIAL] == ""


def test_without_the_key_it_does_not_open() -> None:
    sealed = seal_access(entry(), KEY, NONCE)
    assert AccessKeys({KEY.id: KEY}).open(sealed.content, entry().record_id, KEY.id).person == AN
    with pytest.raises(MalformedMessage):
        AccessKeys().open(sealed.content, entry().record_id, KEY.id)
