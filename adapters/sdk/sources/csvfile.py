"""Records from a CSV file (RFC 4180, UTF-8, a header line) that another system puts there anew, best by renaming."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Mapping
from pathlib import Path

from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.sources.port import Record


class CsvSource:
    """`key`: the column by which records are found, each once. An empty cell is no value.

    The file is read again when it has changed; one that is broken answers nothing, not what an older one said."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self._seen: tuple[int, int, int] | None = None
        self._records: Mapping[str, Record] = {}
        self._reading = asyncio.Lock()

    async def find(self, key: str) -> Record | None:
        try:
            async with self._reading:
                await asyncio.to_thread(self._look)
        except (OSError, ValueError, csv.Error) as e:
            self._seen = None
            raise SourceUnavailable from e
        return self._records.get(key)

    def _look(self) -> None:
        stat = self._path.stat()
        now = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if now == self._seen:
            return
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            self._records = self._parsed(csv.DictReader(file, strict=True))
        self._seen = now

    def _parsed(self, rows: csv.DictReader[str]) -> dict[str, Record]:
        names = rows.fieldnames or []
        if self._key not in names or len(set(names)) != len(names):
            raise ValueError("the header names a column twice, or not the key")
        found: dict[str, Record] = {}
        for row in rows:
            if None in row or None in row.values() or not row[self._key] or row[self._key] in found:
                raise ValueError("a line with other columns, without a key, or with one that was there")
            found[row[self._key]] = {name: text or None for name, text in row.items()}
        return found
