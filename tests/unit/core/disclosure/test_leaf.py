"""The leaf, byte by byte, and how its fields are opened."""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.disclosure.leaf import (
    Opening,
    check_opening,
    make_entry,
    open_field,
    subject_commitment,
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


def test_byte_by_byte() -> None:
    """Recomputed from the format's description, with none of our code."""
    entries = [
        b"\x01" + bytes([i]) + mac(SEED, b"salt" + bytes([i])) + text.encode() for i, text in enumerate(ENTRY.fields)
    ]
    level = [sha(b"\x00" + e) for e in entries]
    while len(level) > 1:
        level = [sha(b"\x01" + level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    subject = mac(mac(SEED, b"subj"), b"egov-al/v1/subject\x00vn-personal-number:999300000017")
    texts = [*(t.encode() for t in ENTRY.fields), b"vn-personal-number:999300000017"]
    statement = b"".join(struct.pack(">I", len(t)) + t for t in texts)
    committed = mac(mac(SEED, b"stmt"), b"egov-al/v1/stmt\x00" + sha(statement))
    head = struct.pack(">BBHII", 1, 1, 0, int(ACCESS.time.timestamp()) // 600, 7)
    assert ENTRY.leaf == head + level[0] + subject + committed
    assert (len(ENTRY.leaf), ENTRY.leaf_hash) == (108, sha(b"\x00" + ENTRY.leaf))


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
    com = subject_commitment(SEED, AN)
    assert ENTRY.leaf[44:76] == com
    assert com not in {
        subject_commitment(SEED, BINH),
        subject_commitment(bytes(32), AN),
        subject_commitment(SEED, Person("national-code", AN.number)),
    }
