"""What temporary files get to hold, seen in place of the disk."""

from __future__ import annotations

import io
import tempfile
from typing import Any

import pytest


def watch_temporary_files(monkeypatch: pytest.MonkeyPatch) -> bytearray:
    """Everything that is written to spooled temporary files from now on, whether it was overwritten or removed since."""
    written = bytearray()

    class Watched(io.BytesIO):
        def write(self, data: Any) -> int:
            written.extend(data)
            return super().write(data)

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda max_size: Watched())
    return written
