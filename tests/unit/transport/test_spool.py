"""Bodies: the digest is that of the bytes, small ones stay in memory, large ones leave no name behind."""

import gc
import hashlib
import os
from pathlib import Path

import pytest

from gateway.core.errors import MalformedMessage
from gateway.transport.spool import InlineBody, Spool, SpooledBody


async def read(body: InlineBody | SpooledBody) -> bytes:
    return b"".join([chunk async for chunk in body.chunks()])


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([], InlineBody),
        ([b""], InlineBody),
        ([b"x" * 10], InlineBody),
        ([b"x" * 10, b"y"], SpooledBody),
        ([b"x" * 1_000_000, b"y" * 3], SpooledBody),
    ],
)
async def test_body_is_what_was_written(pieces: list[bytes], kind: type) -> None:
    spool = Spool(above=10, limit=10_000_000)
    for piece in pieces:
        spool.write(piece)
    body = spool.finish()
    whole = b"".join(pieces)
    assert type(body) is kind
    assert body.size == len(whole)
    assert body.digest.value == hashlib.sha512(whole).digest()
    assert await read(body) == whole
    assert await read(body) == whole  # as often as it is called
    assert body.inline == (whole if kind is InlineBody else None)


@pytest.mark.parametrize("above", [5, 100])
def test_larger_than_its_limit_fail(above: int) -> None:
    spool = Spool(above=above, limit=20)
    spool.write(b"x" * 20)
    with pytest.raises(MalformedMessage) as e:
        spool.write(b"y")
    assert e.value.code == "invalid_body"


def test_spool_file_has_no_name_and_closes(tmp_path: Path) -> None:
    gc.collect()  # what other tests left open is closed before, and not between, the two counts
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    spool = Spool(above=0, limit=100, directory=tmp_path)
    spool.write(b"secret")
    body = spool.finish()
    assert list(tmp_path.iterdir()) == []
    del body, spool
    gc.collect()
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def test_abandoned_spool_closes_its_file(tmp_path: Path) -> None:
    spool = Spool(above=0, limit=100, directory=tmp_path)
    spool.write(b"x")
    spool.abandon()
    spool.abandon()
    assert list(tmp_path.iterdir()) == []
