"""What an adapter asks a source of records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

Record: TypeAlias = Mapping[str, str | None]
"""Names and texts as the source writes them; None for a value that the source has none of."""


class RecordSource(Protocol):
    async def find(self, key: str) -> Record | None:
        """The record of exactly this key, None when there is none.

        A key is a value and never a part of a query, path or document: no key finds anything but its own record.
        SourceUnavailable when the source does not answer in time, or answers what it should not; the key is in no error's text.
        """
