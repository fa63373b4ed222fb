"""The portal's readers of outside bytes: cursors, filters, forms, tokens, JSON of others. A value, or the one error."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from gateway.citizen.answers import parse_answers
from gateway.citizen.forms import is_storable, parse_form, parse_limit, parse_object
from gateway.citizen.idtoken import Expected, check_id_token, key_id
from gateway.citizen.records import MOST_ON_A_PAGE, Filter, StoredRecord, parse_cursor, print_cursor
from gateway.citizen.views import parse_filter
from gateway.core.errors import BearerRejected, MalformedMessage
from gateway.ownservices.inquiry import parse_inquiry

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))
TEXTS = st.text(max_size=30)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXTS
    | st.just("\ud800")
    | st.uuids().map(str)
    | MOMENTS.map(str),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["answers", "number", "inquiry", "time", "words", "person", "record", "id", "kind", "due"]),
            inner,
        )
    ),
    max_leaves=12,
)
BODIES = st.binary(max_size=80) | JSON.map(json.dumps).map(str.encode)
KEY = ec.generate_private_key(ec.SECP256R1())
JWK = jwt.PyJWK.from_dict({**json.loads(ECAlgorithm.to_jwk(KEY.public_key())), "kid": "k", "alg": "ES256"})
EXPECTED = Expected("http://issuer", "us", ("ES256",), ("high",), "number", "vn-personal-number")


@given(st.text(max_size=48) | st.binary(min_size=24, max_size=24).map(lambda b: print_cursor(_record(b))))
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    try:
        time, record_id = parse_cursor(text)
    except MalformedMessage:
        return
    assert print_cursor(_at(time, record_id)) == text


@given(MOMENTS, st.uuids())
def test_a_cursor_is_the_place_it_was_made_of(time: datetime, record_id: UUID) -> None:
    assert parse_cursor(print_cursor(_at(time, record_id))) == (time, record_id)


def _record(value: bytes) -> StoredRecord:
    return _at(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int.from_bytes(value[:4])), UUID(bytes=value[8:]))


def _at(time: datetime, record_id: UUID) -> StoredRecord:
    return StoredRecord("", record_id, time, (), b"", b"")


@given(
    st.dictionaries(
        st.sampled_from(["period", "agency", "purpose", "outcome", "from", "to"]),
        TEXTS | st.dates().map(str) | st.sampled_from(["30d", "12m", "2026", "９９９９", "0000", "9998"]),
    )
)
def test_any_query_is_a_filter(query: dict[str, str]) -> None:
    found = parse_filter(query, NOW)
    assert isinstance(found, Filter)
    assert all(t is None or t.tzinfo is not None for t in (found.since, found.until))
    assert len(found.agency) <= 255


@given(st.none() | TEXTS | st.integers().map(str))
def test_any_text_is_a_limit_or_refused(text: str | None) -> None:
    try:
        assert 1 <= parse_limit(text) <= MOST_ON_A_PAGE
    except MalformedMessage:
        assert text is not None
        assert not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_ON_A_PAGE)


@given(BODIES)
def test_any_body_is_an_object_of_texts_or_refused(body: bytes) -> None:
    try:
        assert all(isinstance(v, str) for v in parse_object(body).values())
    except MalformedMessage:
        return


@given(st.text(max_size=20) | st.text(alphabet="a\0\ud800\udfffệ", max_size=5))
def test_what_is_storable_can_be_stored(text: str) -> None:
    try:
        fits = "\0" not in text and bool(text.encode() or True)
    except UnicodeEncodeError:
        fits = False
    assert is_storable(text) == fits


@given(BODIES)
def test_any_body_is_answers_or_refused(body: bytes) -> None:
    try:
        assert all(a.words and a.time.tzinfo for a in parse_answers(body))
    except MalformedMessage:
        return


@given(BODIES)
def test_any_body_is_an_inquiry_or_refused(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_inquiry(body)


TOKENS = st.text(max_size=60) | st.lists(
    st.binary(max_size=20).map(jwt.utils.base64url_encode), min_size=3, max_size=3
).map(lambda pieces: b".".join(pieces).decode())
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.just(good)
        for name, good in {
            "iss": "http://issuer",
            "sub": "s",
            "aud": "us",
            "exp": 4_000_000_000,
            "iat": 1,
            "nonce": "n",
            "acr": "high",
            "number": "999300000017",
            "name": "A",
            "azp": "us",
        }.items()
    },
)
HEADERS = st.dictionaries(st.sampled_from(["kid", "jku", "jwk", "x5c", "crit", "typ"]), JSON, max_size=3)


@given(TOKENS)
def test_any_text_names_a_key_or_is_refused(token: str) -> None:
    try:
        assert key_id(token)
    except BearerRejected:
        return


def signed(header: dict[str, object], claims: dict[str, object]) -> str:
    pieces = (json.dumps(value).encode() for value in ({"alg": "ES256", **header}, claims))
    message = b".".join(map(jwt.utils.base64url_encode, pieces))
    signature = jwt.utils.base64url_encode(ECAlgorithm(ECAlgorithm.SHA256).sign(message, KEY))
    return b".".join((message, signature)).decode()


@given(TOKENS | st.builds(signed, HEADERS, CLAIMS))
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
def test_any_token_is_somebody_or_refused(token: str) -> None:
    """Well signed ones too: the provider may say anything."""
    try:
        found = check_id_token(token, JWK, EXPECTED, "n")
    except BearerRejected:
        return
    assert found.person.number == "999300000017"
    assert is_storable(found.name)


FORMS = st.binary(max_size=60) | st.lists(st.tuples(TEXTS, TEXTS), max_size=4).map(urlencode).map(str.encode)


@given(FORMS | st.sampled_from([b"%ff=%00", b"csrf=%ED%A0%80", b"&&=;=", b"a=b&" * 200]))
def test_any_form_is_texts_or_refused(body: bytes) -> None:
    try:
        found = parse_form(body)
    except MalformedMessage:
        return
    assert parse_form(urlencode(found).encode()) == found


@given(st.dictionaries(TEXTS, TEXTS, max_size=5))
def test_a_form_says_what_was_typed(form: dict[str, str]) -> None:
    assert parse_form(urlencode(form).encode()) == form
