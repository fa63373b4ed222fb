"""`verify bundle`: what a citizen took home from the portal, by one's own policy or the one in it.

The steps are those of `core/disclosure/bundlecheck.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.app.verify.verdicts import Verdict
from gateway.core.disclosure.bundle import MAX_LINE
from gateway.core.disclosure.bundlecheck import verify_bundle
from gateway.core.errors import SettingsError
from gateway.settings.log import read_policy


def verify_bundle_file(file: Path, policy: Path | None) -> list[Verdict]:
    believed = None if policy is None else read_policy(policy)
    try:
        with file.open("rb") as opened:
            report = verify_bundle(_lines(opened), believed)
    except OSError as e:
        raise SettingsError([f"{file}: {e.strerror}"]) from e
    bundle = report.bundle
    facts = {
        "made": None if bundle is None else bundle.made.isoformat(),
        "records": None if bundle is None else len(bundle.records),
        "providers": None if bundle is None else list(bundle.providers),
        "policy": "bundle" if believed is None else "given",
    }
    return [Verdict(str(file), report.steps, facts)]


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Bounded: a line without end is too long, not a full memory."""
    while line := file.readline(MAX_LINE + 2):
        yield line
