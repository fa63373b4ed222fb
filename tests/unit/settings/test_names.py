"""How many pieces, not what they look like, decides what an identifier is."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.core.identifiers import GlobalGroupId, LocalGroupId, MemberId, SecurityServerId, SubsystemId
from gateway.settings import names


def parse(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("GOV/G01", MemberId("VN", "GOV", "G01")),
        ("GOV/G01/dancu", SubsystemId("VN", "GOV", "G01", "dancu")),
        ("VN/GOV/G01/dancu", SubsystemId("VN", "GOV", "G01", "dancu")),
        ("EE/GOV/70006317/x", SubsystemId("EE", "GOV", "70006317", "x")),
        ("/EE/GOV/70006317", MemberId("EE", "GOV", "70006317")),
        ("group:readers", GlobalGroupId("VN", "readers")),
        ("group:EE/readers", GlobalGroupId("EE", "readers")),
        ("local:staff", LocalGroupId("staff")),
    ],
)
def test_grantees(text: str, value: object) -> None:
    parsed = parse(names.GranteeName, text)
    assert parsed.resolve("VN") == value
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GOV",
        "/GOV",
        "/GOV/G01",
        "a/b/c/d/e",
        "GOV//x",
        "GOV/G01/",
        "GOV/ G01",
        "GOV/a%b",
        "GOV/\u200b",
        "GOV/..;",
        1,
        "group:",
        "group:a/b/c",
        "local:a/b",
        "local:",
        "Group:x",
        "member:x",
        "GOV/G01/a:b",
    ],
)
def test_nobody(text: object) -> None:
    with pytest.raises(ValidationError):
        parse(names.GranteeName, text)


def test_groups_are_no_clients() -> None:
    with pytest.raises(ValidationError):
        parse(names.ClientName, "group:readers")


@pytest.mark.parametrize("text", ["GOV/G01/dancu", "/EE/GOV/G01/x", "VN/GOV/G01/dancu"])
def test_members_have_no_subsystem(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a member"):
        parse(names.MemberName, text)


def test_servers() -> None:
    assert parse(names.ServerName, "GOV/G01/ss1").resolve("VN") == SecurityServerId("VN", "GOV", "G01", "ss1")
    assert parse(names.FullServerName, "VN/GOV/G01/ss1") == SecurityServerId("VN", "GOV", "G01", "ss1")


@pytest.mark.parametrize(
    ("kind", "text"), [(names.ServerName, "VN/GOV/G01/ss1"), (names.FullServerName, "GOV/G01/ss1")]
)
def test_servers_with_a_piece_too_many_or_too_few(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError, match="is not a security server"):
        parse(kind, text)
