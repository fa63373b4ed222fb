from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.core.digest import sha512
from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.linking import (
    ArchiveEnd,
    LinkingInfo,
    archive_name,
    link,
    parse_linking_info,
    print_linking_info,
    safe_group,
)

A, B = ("a-request-1.asice", sha512(b"a")), ("b-request-2.asice", sha512(b"b"))


def digest(text: str) -> str:
    return hashlib.sha512(text.encode()).hexdigest()


def test_the_first_archive() -> None:
    first = digest(A[1].value.hex())
    second = digest(first + B[1].value.hex())
    assert print_linking_info(link(ArchiveEnd(), [A, B])).decode() == (
        f"- - SHA-512\n{first} a-request-1.asice\n{second} b-request-2.asice\n"
    )


def test_the_next_archive_stands_on_it() -> None:
    end = ArchiveEnd(digest("x"), "mlog-1.zip")
    info = link(end, [A])
    assert info.last == digest(end.digest + A[1].value.hex())
    assert print_linking_info(info).decode().startswith(f"{end.digest} mlog-1.zip SHA-512\n")
    assert parse_linking_info(print_linking_info(info)) == info


def test_an_archive_of_nothing_ends_where_it_begins() -> None:
    assert LinkingInfo(ArchiveEnd("d", "f"), ()).last == "d"
    assert parse_linking_info(b"- - SHA-512\n") == LinkingInfo(ArchiveEnd(), ())


D = "0" * 128


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- - SHA-512",
        "- - SHA-256\n",
        "- -  SHA-512\n",
        f"{D} - SHA-512\n",
        "- mlog.zip SHA-512\n",
        f"{D.replace('0', 'A')} mlog.zip SHA-512\n",
        f"- - SHA-512\n{D}\n",
        f"- - SHA-512\n{D[1:]} a\n",
        f"- - SHA-512\n{D} a b\n",
        f"- - SHA-512\n{D} ../a\n",
        f"- - SHA-512\n{D} a\n{D} a\n",
        f"- - SHA-512\n{D} a\n\n",
        f"- - SHA-512\r\n{D} a\r\n",
        "- - SHA-512\né a\n",
    ],
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_linking_info(text.encode())
    assert e.value.code == "malformed_linking_info"


def test_file_names() -> None:
    first = datetime(2026, 11, 24, 8, 0, 1, 999_999, tzinfo=UTC)
    last = first.astimezone(timezone(timedelta(hours=7))) + timedelta(minutes=1)
    assert archive_name("", first, last, D) == "mlog-20261124080001-20261124080101-0000000000000000.zip"
    assert archive_name("VN_GOV_G01", first, last, D).startswith("mlog-VN_GOV_G01-2026")
    assert safe_group("VN/GOV/G:0*1\x00?") == "VN_GOV_G_0_1__"
    assert len(safe_group("x" * 300)) == 200
