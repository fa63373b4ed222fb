"""The leaf, byte by byte, and how its fields are opened."""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.core.disclosure.leaf import (
    Opening,
    check_leaf,
    check_opening,
    make_entry,
    open_field,
    open_leaf,
)
from gateway.core.disclosure.record import Access, Field, official_pseudonym
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import SubsystemId
from gateway.core.subjects.kinds import Person

SEED = bytes(range(32))
AN = Person("vn-personal-number", "999300000017")
BINH = Person("vn-personal-number", "999204000058")
ACCESS = Access(
    time=datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC),
    consumer="VN/GOV/G22/dvc",
    service="VN/GOV/G01/dancu/person",
    purpose="DVC-GIAI-QUYET-HO-SO",
    legal_basis="ND-63-2024",
    official="abc",
    request_hash="ab" * 64,
    categories=("identity", "residence"),
    outcome="granted",
    case="Hồ sơ 12",
    signature_hash="cd" * 64,
)
ENTRY = make_entry(ACCESS, AN, 7, SEED)


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def leaf_of(salts: list[bytes], subject_key: bytes, statement_key: bytes, fields: tuple[str, ...]) -> bytes:
    """Recomputed from the format's description, with none of our code."""
    entries = [b"\x01" + bytes([i]) + salts[i] + text.encode() for i, text in enumerate(fields)]
    level = [sha(b"\x00" + e) for e in entries]
    while len(level) > 1:
        level = [sha(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    subject = mac(subject_key, b"egov-al/v1/subject\x00vn-personal-number:999300000017")
    texts = [*(t.encode() for t in fields), b"vn-personal-number:999300000017"]
    statement = b"".join(struct.pack(">I", len(t)) + t for t in texts)
    committed = mac(statement_key, b"egov-al/v1/stmt\x00" + sha(statement))
    return struct.pack(">BBHII", 1, 1, 0, int(ACCESS.time.timestamp()) // 600, 7) + level[0] + subject + committed


def test_byte_by_byte() -> None:
    keys = hashlib.shake_256(b"egov-al/v2/leaf\x00" + SEED).digest(592)
    assert ENTRY.leaf == leaf_of([keys[32 * i :][:32] for i in range(16)], keys[512:544], keys[544:576], ENTRY.fields)
    assert ENTRY.record_id == UUID(bytes=keys[576:], version=4)
    assert (len(ENTRY.leaf), ENTRY.leaf_hash) == (108, sha(b"\x00" + ENTRY.leaf))


def test_a_leaf_of_before_still_opens() -> None:
    """Its keys were HMACs of the seed: its record id says so, and no other id of any leaf does."""
    fields = (str(UUID(bytes=mac(SEED, b"id")[:16], version=4)), *ENTRY.fields[1:])
    salts = [mac(SEED, b"salt" + bytes([i])) for i in range(16)]
    leaf = leaf_of(salts, mac(SEED, b"subj"), mac(SEED, b"stmt"), fields)
    check_leaf(leaf, open_leaf(SEED, fields[0]), fields, AN)
    check_opening(leaf, open_field(SEED, fields, 4))
    for changed in (ENTRY.fields[0], fields[0].upper(), "", "é"):
        assert open_leaf(SEED, changed) == open_leaf(SEED, ENTRY.fields[0])
        with pytest.raises(MalformedMessage):
            check_leaf(leaf, open_leaf(SEED, changed), (changed, *fields[1:]), AN)


def test_the_fields_in_their_places() -> None:
    assert len(ENTRY.fields) == len(Field) == 16
    said = {f.name: ENTRY.fields[f] for f in Field if ENTRY.fields[f]}
    assert said == {
        "RECORD": str(ENTRY.record_id),
        "TIME": "2026-11-24T08:00:00.123Z",
        "CONSUMER": "VN/GOV/G22/dvc",
        "SERVICE": "VN/GOV/G01/dancu/person",
        "PURPOSE": "DVC-GIAI-QUYET-HO-SO",
        "LEGAL_BASIS": "ND-63-2024",
        "OFFICIAL": "abc",
        "REQUEST_HASH": "ab" * 64,
        "CATEGORIES": "identity residence",
        "OUTCOME": "granted",
        "CASE": "Hồ sơ 12",
        "SIGNATURE_HASH": "cd" * 64,
    }


@pytest.mark.parametrize("index", range(16))
def test_one_field_opened(index: int) -> None:
    opening = open_field(SEED, ENTRY.fields, index)
    check_opening(ENTRY.leaf, opening)
    for wrong in (
        replace(opening, text=opening.text + "x"),
        replace(opening, index=index ^ 1),
        replace(opening, salt=bytes(32)),
        replace(opening, path=opening.path[::-1]),
        replace(opening, path=opening.path[:3]),
        replace(opening, path=(opening.path[0][:31], *opening.path[1:])),
        replace(opening, index=16 + index),
    ):
        with pytest.raises(MalformedMessage):
            check_opening(ENTRY.leaf, wrong)
    with pytest.raises(MalformedMessage):
        check_opening(make_entry(ACCESS, AN, 7, bytes(32)).leaf, opening)


def test_an_inner_node_is_not_a_field() -> None:
    """A shorter path with an inner node's 64 bytes as the text must not open (second preimage)."""
    first = open_field(SEED, ENTRY.fields, 0)
    forged = Opening(0, first.salt, first.text, first.path[1:])
    with pytest.raises(MalformedMessage):
        check_opening(ENTRY.leaf, forged)


def test_two_accesses_of_one_citizen_share_nothing_but_their_header() -> None:
    other = make_entry(ACCESS, AN, 7, bytes(range(1, 33)))
    pieces = [(ENTRY.leaf[i : i + 32], other.leaf[i : i + 32]) for i in (12, 44, 76)]
    assert all(a != b for a, b in pieces)
    assert other.record_id != ENTRY.record_id


def test_a_seed_has_32_bytes() -> None:
    for size in (0, 31, 33):
        with pytest.raises(ValueError):
            make_entry(ACCESS, AN, 7, bytes(size))


def test_secrets_and_texts_are_not_printed() -> None:
    printed = repr(ENTRY)
    assert not any(word in printed for word in ("999300000017", "Hồ sơ", SEED.hex(), "x00\\x01\\x02"))


def test_officials_are_pseudonyms_of_one_provider() -> None:
    dvc, hotich = SubsystemId("VN", "GOV", "G22", "dvc"), SubsystemId("VN", "GOV", "G15", "hotich")
    one = official_pseudonym(SEED, dvc, "nguyen.van.an")
    assert one == official_pseudonym(SEED, dvc, "nguyen.van.an") != ""
    others = {official_pseudonym(SEED, hotich, "nguyen.van.an"), official_pseudonym(bytes(32), dvc, "nguyen.van.an")}
    assert one not in others
    assert len(others) == 2
    assert "nguyen" not in one
    assert official_pseudonym(SEED, dvc, None) == official_pseudonym(SEED, dvc, "") == ""


def test_the_subject_is_bound_to_kind_and_seed() -> None:
    others = (BINH, Person("national-code", AN.number))
    subjects = {make_entry(ACCESS, p, 7, seed).leaf[44:76] for p in (AN, *others) for seed in (SEED, bytes(32))}
    assert len(subjects) == 6
    for somebody in others:
        with pytest.raises(MalformedMessage, match="somebody else"):
            check_leaf(ENTRY.leaf, open_leaf(SEED, ENTRY.fields[0]), ENTRY.fields, somebody)
