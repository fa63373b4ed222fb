"""Any bytes, texts and trees: a value or the one error; every opening opens its own leaf and no other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.disclosure.bundlecheck import verify_bundle
from gateway.core.disclosure.leaf import BUCKET_SECONDS, bucket_of, check_opening, make_entry, open_field
from gateway.core.disclosure.promise import Promise, parse_promise, print_promise
from gateway.core.disclosure.promiseproof import parse_proof, print_proof, verify_proof
from gateway.core.disclosure.record import Access
from gateway.core.errors import MalformedMessage
from gateway.core.merkle.policy import parse_policy
from gateway.core.subjects import LOCATORS
from gateway.core.subjects.extract import SubjectRule, persons_in
from gateway.core.subjects.kinds import Person
from gateway.core.subjects.view import MessageView
from tests.support.bundles import bundle_file, policy_text
from tests.support.log_states import CONF

RULES = [
    SubjectRule(LOCATORS[name](*args), "vn-personal-number")
    for name, *args in (
        ("path", "id"),
        ("query", "id"),
        ("header", "id"),
        ("pointer", "/a/*/id"),
        ("pointer", "/*/0"),
        ("xpath", "//id/@n | //id"),
    )
]
LEAVES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just("999300000017"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "id", "0"]), inner, max_size=3),
    max_leaves=8,
)
BODIES = st.binary(max_size=60) | LEAVES.map(lambda value: json.dumps(value).encode())


@settings(max_examples=60)
@given(BODIES, st.text(max_size=30), st.text(max_size=30), st.sampled_from(RULES))
def test_any_message(body: bytes, query: str, value: str, rule: SubjectRule) -> None:
    view = MessageView({"id": value}, query, (("ID", value),), body)
    try:
        found = persons_in([rule], view)
    except MalformedMessage:
        return
    assert all(len(p.number) == 12 and p.number.isascii() and p.number.isdigit() for p in found)


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_any_promise(text: str) -> None:
    try:
        promise = parse_promise(text)
    except MalformedMessage:
        return
    assert print_promise(promise) == text


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=5))
def test_every_promise(leaves: list[bytes]) -> None:
    promise = Promise("tlog.vn.example/access/2026", tuple(leaves))
    assert parse_promise(print_promise(promise)) == promise


BUNDLE = [json.dumps(line).encode() for line in bundle_file(records=2)]


@settings(max_examples=60)
@given(st.binary(max_size=80).filter(lambda b: not b.startswith(b"{")) | BODIES, st.integers(0, len(BUNDLE) - 1))
def test_any_bundle(line: bytes, at: int) -> None:
    """Whatever stands in a line, and whatever kind it says it is: a report, in which something failed."""
    said = line
    if line.startswith(b"{"):
        kind = {"kind": json.loads(BUNDLE[at])["kind"]}
        said = json.dumps(json.loads(BUNDLE[at]) | json.loads(line) | kind).encode()
    for file in ([line], [*BUNDLE[:at], said, *BUNDLE[at + 1 :]]):
        assert file == BUNDLE or not all(step.ok for step in verify_bundle(file, None).steps)


@settings(max_examples=80)
@given(st.integers(0, len(BUNDLE) - 1), st.data())
def test_any_value_in_a_bundle(at: int, data: st.DataObject) -> None:
    value = json.loads(BUNDLE[at])
    key = data.draw(st.sampled_from(sorted(value.keys() - {"kind"})))
    value[key] = data.draw(LEAVES)
    assert verify_bundle([*BUNDLE[:at], json.dumps(value).encode(), *BUNDLE[at + 1 :]], None).steps


@settings(max_examples=80)
@given(st.integers(0, len(BUNDLE) - 1), st.data())
def test_no_byte_of_a_bundle_is_idle(at: int, data: st.DataObject) -> None:
    """One changed byte of any line but the first, which nothing commits to, and nothing holds any more."""
    line = bytearray(BUNDLE[max(1, at)])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))
    file = [*BUNDLE[: max(1, at)], bytes(line), *BUNDLE[max(1, at) + 1 :]]
    same = _json(bytes(line)) == _json(BUNDLE[max(1, at)])
    assert same or not all(step.ok for step in verify_bundle(file, None).steps)


def _changed(data: bytes, place: int, by: int) -> bytes:
    return data[:place] + bytes((data[place] ^ by,)) + data[place + 1 :]


def _json(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


PROOF = json.dumps(
    {
        "format": "broken-promise/1",
        "leaf": "A" * 43 + "=",
        "max_delay": 86400,
        "response": {"part": "", "body_sha512": None, "signature": "", "hash_chain_result": None, "hash_chain": None},
        "time_stamp": {"token": "", "chain_result": None, "chain": None},
        "checkpoint": "",
        "leaves": None,
    }
).encode()
POLICY = parse_policy(policy_text())


@settings(max_examples=80)
@given(
    st.binary(max_size=80)
    | BODIES
    | st.builds(_changed, st.just(PROOF), st.integers(0, len(PROOF) - 1), st.integers(1, 255))
)
def test_any_proof_of_a_broken_promise(data: bytes) -> None:
    try:
        proof = parse_proof(data)
    except MalformedMessage:
        return
    assert parse_proof(print_proof(proof)) == proof
    assert not verify_proof(proof, CONF, POLICY, timedelta()).ok


@settings(max_examples=60)
@given(st.sampled_from(sorted(json.loads(PROOF))), LEAVES)
def test_any_value_in_a_proof(key: str, value: object) -> None:
    try:
        proof = parse_proof(json.dumps({**json.loads(PROOF), key: value}).encode())
    except MalformedMessage:
        return
    assert not verify_proof(proof, CONF, POLICY, timedelta()).ok


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@settings(max_examples=40)
@given(st.binary(min_size=32, max_size=32), TEXT, TEXT, st.integers(0, 15), st.integers(0, 107), st.integers(1, 255))
def test_every_opening(seed: bytes, case: str, consumer: str, index: int, place: int, change: int) -> None:
    access = Access(datetime(2026, 1, 1, tzinfo=UTC), consumer, "s", "p", "l", "o", "r", ("c",), "granted", case, "h")
    entry = make_entry(access, Person("vn-personal-number", "999300000017"), 1, seed)
    opening = open_field(seed, entry.fields, index)
    check_opening(entry.leaf, opening)
    altered = bytearray(entry.leaf)
    altered[place] ^= change
    if 12 <= place < 44:
        with pytest.raises(MalformedMessage):
            check_opening(bytes(altered), opening)


@given(st.binary(max_size=120) | st.binary(min_size=104, max_size=104).map(lambda rest: b"\1\1\0\0" + rest))
def test_the_time_of_any_leaf(data: bytes) -> None:
    found = bucket_of(data)
    assert found is None or (len(data), found % BUCKET_SECONDS) == (108, 0)


@settings(max_examples=20)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_the_time_of_a_leaf_is_that_of_its_access(at: datetime) -> None:
    access = Access(at, "c", "s", "p", "l", "o", "r", ("c",), "granted", "", "h")
    begins = bucket_of(make_entry(access, Person("vn-personal-number", "999300000017"), 1, bytes(32)).leaf)
    assert begins is not None
    assert begins <= at.timestamp() < begins + BUCKET_SECONDS
