"""Containers, archives and their linking info: any bytes give a value or MalformedMessage, and what was written is read."""

from __future__ import annotations

import contextlib
import io
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.digest import sha512
from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.container import Container, container_files, read_container
from gateway.core.messagelog.linking import ArchiveEnd, link, parse_linking_info, print_linking_info
from gateway.core.messagelog.strictzip import StrictZip
from tests.support.containers import pack

_FILES = container_files(Container(b"message", b"<signature/>", b"<r/>", b"<c/>"), 1)
_GOOD = pack([*_FILES, ("attachment1", b"body" * 50)])
_STORED = pack([*_FILES, ("attachment1", b"body" * 50)], method=zipfile.ZIP_STORED)
_IN_ORDER = {**dict(_FILES), "attachment1": b"body" * 50}
_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), min_size=1, max_size=20)


def read_all(data: bytes) -> dict[str, bytes]:
    archive = StrictZip(io.BytesIO(data), code="bad", most_entries=100)
    return {entry.name: archive.read(entry, 1 << 20) for entry in archive.entries}


@given(st.binary(max_size=500))
def test_any_bytes_are_a_container_or_malformed(data: bytes) -> None:
    for candidate in (data, _GOOD[:30] + data, data + _GOOD[-60:]):
        with contextlib.suppress(MalformedMessage):
            read_container(io.BytesIO(candidate))


@given(st.sampled_from([_GOOD, _STORED]), st.data())
@settings(max_examples=300)
def test_a_changed_zip_gives_what_was_in_it_or_malformed(good: bytes, data: st.DataObject) -> None:
    """A changed byte may be in a field that says nothing (a date, a version); content and names never change unnoticed."""
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    try:
        found = read_all(changed)
    except MalformedMessage:
        return
    assert list(found.values()) == list(_IN_ORDER.values())


@given(st.integers(0, len(_GOOD) - 1), st.binary(max_size=20))
def test_a_zip_with_something_put_in_or_cut_off_is_malformed(at: int, more: bytes) -> None:
    for candidate in (_GOOD[:at], _GOOD[:at] + more + b"\x00" + _GOOD[at:]):
        try:
            found = read_all(candidate)
        except MalformedMessage:
            continue
        assert found == _IN_ORDER


@given(
    st.dictionaries(_NAMES.filter(lambda n: n != "linkinginfo"), st.binary(max_size=50), max_size=5),
    st.sampled_from([ArchiveEnd(), ArchiveEnd("0" * 128, "mlog-x.zip")]),
)
def test_linking_info_is_read_as_it_was_written(files: dict[str, bytes], previous: ArchiveEnd) -> None:
    info = link(previous, [(name, sha512(content)) for name, content in files.items()])
    assert parse_linking_info(print_linking_info(info)) == info


@given(st.one_of(st.binary(max_size=300), st.text(st.sampled_from("-0af. \nSHA512x"), max_size=300).map(str.encode)))
def test_any_bytes_are_linking_info_or_malformed(data: bytes) -> None:
    for candidate in (data, b"- - SHA-512\n" + data):
        try:
            info = parse_linking_info(candidate)
        except MalformedMessage:
            continue
        assert print_linking_info(info) == candidate
