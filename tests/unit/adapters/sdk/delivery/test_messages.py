import contextlib
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sdk.delivery.messages import Receipt, json_body, parse_receipt
from tests.support.delivery import message, receipt_body

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=40)
@given(st.uuids(), st.binary(min_size=64, max_size=64), st.dictionaries(st.text(max_size=9), JSON, max_size=2))
def test_a_printed_receipt_is_read_back(number: UUID, digest: bytes, answer: dict[str, object]) -> None:
    answer = {name: value for name, value in answer.items() if name not in ("message_id", "sha512")}
    receipt = Receipt(number, digest, answer)
    assert parse_receipt(receipt_body(receipt)) == receipt


@settings(max_examples=40)
@given(st.binary() | JSON.map(lambda value: json_body({"message_id": value, "sha512": value})))
def test_any_bytes_are_a_receipt_or_a_value_error(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert len(parse_receipt(raw).sha512) == 64


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": "A B"},
        {"legal_basis": "Đ10"},
        {"purpose": "X\r\nX-Road-Client: VN/GOV/G01/dancu"},
        {"key": "two words"},
    ],
)
def test_what_is_no_header_is_no_message(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        message(1, **wrong)  # type: ignore[arg-type]


def test_addresses_and_deadlines() -> None:
    good = message(1)
    for field, value in [
        ("service", "VN/GOV/G22"),
        ("path", "/v1//x"),
        ("path", "/v1/%2e%2e"),
        ("path", "v1"),
        ("path", "/a?b"),
    ]:
        with pytest.raises(ValueError):
            type(good)(**{**{f: getattr(good, f) for f in good.__slots__}, field: value})
    with pytest.raises(ValueError, match="time zone"):
        type(good)(**{**{f: getattr(good, f) for f in good.__slots__}, "deadline": datetime(2026, 1, 1)})
