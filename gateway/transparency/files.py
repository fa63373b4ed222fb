"""The public folder of one shard (C2SP tlog-tiles): anything that serves files can serve it.

checkpoint      the only file that is ever replaced
tile/...        immutable; a partial tile goes some time after its full one came
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from gateway.core.errors import EvidenceUnavailable
from gateway.core.merkle.tiles import TILE_WIDTH, Tile, parse_entries, parse_hashes, print_entries, print_hashes
from gateway.storage.durable import replace_durably, write_durably
from gateway.transparency.ports import LogFrozen

_CHECKPOINT = "checkpoint"


class LogFiles:
    """Blocking; call from a thread. EvidenceUnavailable when the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write_tiles(self, files: Iterable[tuple[str, bytes]]) -> None:
        """All durable on return, read back and compared. LogFrozen when one stands there with other bytes."""
        try:
            missing = []
            for path, data in files:
                target = self.folder / path
                if not target.exists():
                    missing.append((target, data))
                elif target.read_bytes() != data:
                    raise LogFrozen(
                        f"{path} stands there with other bytes", ((path, target.read_bytes()), (path, data))
                    )
            write_durably(missing)
            for target, data in missing:
                if target.read_bytes() != data:  # a checkpoint over bytes that are not there could never be repaired
                    raise EvidenceUnavailable(f"{target.name} reads back other bytes than were written")
        except OSError as e:
            raise EvidenceUnavailable("the folder of the log cannot be written") from e

    def replace_checkpoint(self, note: bytes) -> None:
        """Durable on return."""
        try:
            replace_durably(self.folder / _CHECKPOINT, note)
        except OSError as e:
            raise EvidenceUnavailable("the folder of the log cannot be written") from e

    def checkpoint(self) -> bytes | None:
        """What is published; None when nothing ever was."""
        return self.read(_CHECKPOINT)

    def read(self, path: str) -> bytes | None:
        try:
            return (self.folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as e:
            raise EvidenceUnavailable("the folder of the log cannot be read") from e

    def read_tile(self, tile: Tile) -> bytes:
        """A tile's bytes; a partial one that is gone is cut from its full one. EvidenceUnavailable when neither is there;
        MalformedMessage when the full one is damaged."""
        found = self.read(tile.path)
        if found is not None:
            return found
        full = Tile(tile.level, tile.number)
        whole = self.read(full.path) if tile.width < TILE_WIDTH else None
        if whole is None:
            raise EvidenceUnavailable(f"{tile.path} is missing")
        if tile.level is None:
            return print_entries(parse_entries(whole, full)[: tile.width])
        return print_hashes(parse_hashes(whole, full)[: tile.width])

    def remove_partials(self, path: str) -> None:
        """The folder `<full tile>.p`, once the full tile is there."""
        if (self.folder / path).exists():
            shutil.rmtree(self.folder / f"{path}.p", ignore_errors=True)
