"""It behaves as any file does, and what it gives to the disk is ciphertext."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.sealing.envelope import OVERHEAD
from gateway.messagelog.sealedfile import BLOCK, sealed_file
from tests.support.tempfiles import watch_temporary_files

_SIZES = st.integers(0, BLOCK // 2) | st.integers(BLOCK - 2, 2 * BLOCK + 2)
_STEPS = st.lists(st.tuples(st.sampled_from("wrs"), _SIZES, st.floats(0, 1)), max_size=12)


@given(_STEPS)
def test_as_a_file_in_memory(steps: list[tuple[str, int, float]]) -> None:
    with sealed_file(1 << 20) as file:
        model = io.BytesIO()
        for n, (step, size, where) in enumerate(steps):
            match step:
                case "w":
                    data = bytes((n + 1,)) * size
                    assert file.write(data) == model.write(data)
                case "r":
                    assert file.read(size) == model.read(size)
                case _:
                    at = int(where * len(model.getvalue()))
                    assert file.seek(at) == model.seek(at)
        assert file.tell() == model.tell()
        file.seek(0)
        assert file.read() == model.getvalue()


def test_nothing_of_it_is_written_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    written = watch_temporary_files(monkeypatch)
    content = b"person 079123456789 " * 20_000
    with sealed_file(0) as file:
        with zipfile.ZipFile(file, "w") as out:  # steps back to write lengths
            out.writestr("a", content)
            out.writestr("b", content)
        with zipfile.ZipFile(file) as back:
            assert (back.read("a"), back.read("b")) == (content, content)
    assert len(written) > 2 * len(content)
    assert b"person" not in written
    assert b"PK\x03\x04" not in written


@pytest.mark.parametrize("damage", ["altered", "moved"])
def test_a_block_that_was_altered_or_moved_is_an_error(monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    beneath = io.BytesIO()
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda max_size: beneath)
    with sealed_file(0) as file:
        file.write(os.urandom(2 * BLOCK + 1))
        file.seek(0)
        stored, size = beneath.getvalue(), BLOCK + OVERHEAD
        beneath.seek(0)
        beneath.write(bytes(1) + stored[1:] if damage == "altered" else stored[size : 2 * size] + stored[:size])
        with pytest.raises(OSError, match="does not hold what was written"):
            file.read(1)


def test_no_gaps() -> None:
    with sealed_file(0) as file:
        file.write(b"x")
        for place in (2, -1):
            with pytest.raises((OSError, ValueError)):
                file.seek(place)
