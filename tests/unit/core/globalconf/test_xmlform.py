from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.globalconf import xmlform as x
from gateway.core.identifiers import MemberId, SubsystemId

HEAD = b'<c:conf xmlns:c="http://x-road.eu/xsd/xroad.xsd">'


def test_entities_are_never_resolved() -> None:
    for definition in (b'<!ENTITY a "b">', b'<!ENTITY a SYSTEM "file:///etc/hostname">'):
        with pytest.raises(MalformedMessage):
            x.parse_root(b"<!DOCTYPE c [" + definition + b"]>" + HEAD + b"&a;</c:conf>", "conf")
    with pytest.raises(MalformedMessage):
        x.parse_root(HEAD + b"&undefined;</c:conf>", "conf")


def test_another_encoding_hides_nothing() -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE c [<!ENTITY a "b">]>' + HEAD.decode() + "&a;</c:conf>"
    for encoded in (text.encode("utf-16"), text.encode("utf-16-be"), text.encode("utf-7")):
        with pytest.raises(MalformedMessage):
            x.parse_root(encoded, "conf")


def test_size_and_depth_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MalformedMessage):
        x.parse_root(HEAD + b"<a>" * 300 + b"</a>" * 300 + b"</c:conf>", "conf")
    monkeypatch.setattr(x, "MAX_DOCUMENT", 10)
    with pytest.raises(MalformedMessage):
        x.parse_root(HEAD + b"</c:conf>", "conf")


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_booleans(value: str, expected: bool) -> None:
    assert x.boolean(value) is expected


@pytest.mark.parametrize("value", ["TRUE", "yes", ""])
def test_no_booleans(value: str) -> None:
    with pytest.raises(MalformedMessage):
        x.boolean(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2035-11-11T03:07:40Z", datetime(2035, 11, 11, 3, 7, 40, tzinfo=UTC)),
        ("2025-11-05T22:10:45.770Z", datetime(2025, 11, 5, 22, 10, 45, 770000, tzinfo=UTC)),
        ("2025-11-06T05:10:45+07:00", datetime(2025, 11, 5, 22, 10, 45, tzinfo=UTC)),
    ],
)
def test_moments(value: str, expected: datetime) -> None:
    assert x.moment(value) == expected
    assert x.moment(value).tzinfo is UTC


@pytest.mark.parametrize("value", ["", "2025-11-05", "2025-11-05T22:10:45", "9999-12-31T23:59:59-14:00", "\ud800"])
def test_no_moments(value: str) -> None:
    with pytest.raises(MalformedMessage):
        x.moment(value)


def test_times_are_written_in_utc_without_fractions() -> None:
    assert x.utc_text(datetime(2026, 1, 1, 6, 30, 1, 5, timezone(timedelta(hours=7)))) == "2025-12-31T23:30:01Z"


@pytest.mark.parametrize("value", ["0", "60", "+60", "999999999"])
def test_seconds(value: str) -> None:
    assert x.seconds(value) == int(value)


@pytest.mark.parametrize("value", ["", "-1", "1.5", "1e3", "1_000", "٣", "1000000000"])
def test_no_seconds(value: str) -> None:
    with pytest.raises(MalformedMessage):
        x.seconds(value)


@pytest.mark.parametrize("value", ["a\x00b", "\x0b", "\ufffe", "\ud800"])
def test_characters_that_no_document_can_hold(value: str) -> None:
    with pytest.raises(ValueError, match="XML cannot hold"):
        x.tag("name", value)


@pytest.mark.parametrize("client", [MemberId("VN", "GOV", "<&>"), SubsystemId("VN", "GOV", "G01", "dân cư")])
def test_client_ids(client: MemberId | SubsystemId) -> None:
    root = x.parse_root(x.document("conf", x.client_id_tag("groupMember", client)), "conf")
    assert x.client_id(x.one(root, "groupMember")) == client
