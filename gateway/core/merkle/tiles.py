"""Tiles (C2SP tlog-tiles): the tree cut into immutable files of 256 hashes, and the entries into bundles beside them.

    tile/<level>/<number>[.p/<width>]      hashes; level 0: of entries, level L + 1: each the root of one full tile of level L
    tile/entries/<number>[.p/<width>]      the entries below the tile of level 0, each behind its length in two bytes

A tile that is not full is partial: it says its width, and goes when the full one is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.hashing import HASH_SIZE, fold, leaf_hash, root_of

TILE_WIDTH = 256
_BITS = 8
MAX_ENTRY = 0xFFFF
MAX_LEVEL = 63
MAX_TILE_FILE = TILE_WIDTH * (MAX_ENTRY + 2)
"""Bytes of the largest file of a log, an entry bundle."""

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """`level` None: an entry bundle. `width`: 1 to 256."""

    level: int | None
    number: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Relative to the log's address."""
        groups = [f"{self.number % 1000:03}"]
        rest = self.number // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level is None else self.level}/{'/'.join(groups)}{partial}"


def parse_tile_path(path: str) -> Tile:
    """The tile at this path, which has only one spelling. MalformedMessage for anything else."""
    found = _PATH.fullmatch(path)
    if found is None:
        raise MalformedMessage("not the path of a tile")
    level = None if found[1] == "entries" else int(found[1])
    number = int(found[2].replace("x", "").replace("/", "") + found[3])
    tile = Tile(level, number, int(found[4] or TILE_WIDTH))
    if tile.path != path or tile.width > TILE_WIDTH or (level or 0) > MAX_LEVEL:
        raise MalformedMessage("not the path of a tile")
    return tile


def tiles_of(size: int, *, since: int = 0) -> Iterator[Tile]:
    """The hash tiles and entry bundles that the tree of `size` entries has and that of `since` entries had not."""
    for level in (None, *range((size.bit_length() + _BITS - 1) // _BITS)):
        have, had = (n >> (_BITS * (level or 0)) for n in (size, since))
        if have > had:
            for number in range(had >> _BITS, (have + TILE_WIDTH - 1) >> _BITS):
                yield Tile(level, number, min(TILE_WIDTH, have - (number << _BITS)))


def print_hashes(hashes: Sequence[bytes]) -> bytes:
    return b"".join(hashes)


def parse_hashes(data: bytes, tile: Tile) -> tuple[bytes, ...]:
    """The hashes of a hash tile. MalformedMessage when there are not `tile.width`."""
    if len(data) != tile.width * HASH_SIZE:
        raise MalformedMessage(f"{tile.path}: not {tile.width} hashes")
    return tuple(data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE))


def print_entries(entries: Sequence[bytes]) -> bytes:
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def parse_entries(data: bytes, tile: Tile) -> tuple[bytes, ...]:
    """The entries of a bundle. MalformedMessage when there are not exactly `tile.width`."""
    entries: list[bytes] = []
    at = 0
    while at + 2 <= len(data) and len(entries) < tile.width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : end])
        at = end
    if at != len(data) or len(entries) != tile.width:
        raise MalformedMessage(f"{tile.path}: not {tile.width} entries")
    return tuple(entries)


def cut(whole: bytes, tile: Tile) -> bytes:
    """The bytes of a partial tile or bundle, out of those of the full one, which stays when the partial one is gone.
    MalformedMessage when these are not a full one's."""
    full = Tile(tile.level, tile.number)
    if tile.level is None:
        return print_entries(parse_entries(whole, full)[: tile.width])
    return print_hashes(parse_hashes(whole, full)[: tile.width])


class TileWanted(Exception):
    """Raised by the nodes of `KnownTiles`: `tile` has to be known first."""

    def __init__(self, tile: Tile) -> None:
        self.tile = tile
        super().__init__(tile.path)


class KnownTiles:
    """For whoever gets tiles one by one, over a network: compute with `nodes`, put the tile that is wanted into `known`, and
    compute again, until nothing is wanted any more."""

    def __init__(self, size: int) -> None:
        self.known: dict[Tile, bytes] = {}
        self.nodes = TileNodes(size, self._read)

    def _read(self, tile: Tile) -> bytes:
        if tile not in self.known:
            raise TileWanted(tile)
        return self.known[tile]


class TileNodes:
    """The subtree roots of the tree of `size` entries (a `Nodes`), from its tiles. `read(tile)` gives a tile's bytes and may raise
    what it likes; each tile is read once. MalformedMessage for a tile of another length."""

    def __init__(self, size: int, read: Callable[[Tile], bytes]) -> None:
        self._size = size
        self._read = read
        self._tiles: dict[tuple[int, int], tuple[bytes, ...]] = {}

    def __call__(self, level: int, number: int) -> bytes:
        tile_level, inner = divmod(level, _BITS)
        first = number << inner
        hashes = self.tile(tile_level, first >> _BITS)
        at = first % TILE_WIDTH
        return root_of(hashes[at : at + (1 << inner)])

    def tile(self, level: int, number: int) -> tuple[bytes, ...]:
        known = self._tiles.get((level, number))
        if known is None:
            width = min(TILE_WIDTH, (self._size >> (_BITS * level)) - (number << _BITS))
            tile = Tile(level, number, width)
            known = self._tiles[level, number] = parse_hashes(self._read(tile), tile)
        return known


def edge_root(edge: Sequence[Sequence[bytes]]) -> bytes:
    """The root of a tree from its right edge: the hashes of the last tile of each level, level 0 first, full tiles left out."""
    parts: list[bytes] = []
    for hashes in edge:
        subtrees, start = [], 0
        while start < len(hashes):
            width = 1 << ((len(hashes) - start).bit_length() - 1)
            subtrees.append(root_of(hashes[start : start + width]))
            start += width
        parts = subtrees + parts
    return fold(parts)


@dataclass(frozen=True, slots=True)
class TreeEdge:
    """What an append needs of a log: `levels[L]` are the hashes in the last, partial tile of level L, `bundle` the entries in the
    last, partial bundle. Full tiles are not in it: fewer than 256 of each."""

    size: int = 0
    levels: tuple[tuple[bytes, ...], ...] = ()
    bundle: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        return edge_root(self.levels)


@dataclass(frozen=True, slots=True)
class Growth:
    """After an append: the new edge, and path and bytes of every file that it makes necessary."""

    edge: TreeEdge
    files: tuple[tuple[str, bytes], ...]


def grow(edge: TreeEdge, entries: Sequence[bytes]) -> Growth:
    """Append the entries, each of at most 65,535 bytes."""
    size = edge.size + len(entries)
    bundles = (*edge.bundle, *entries)
    columns = [[*level] for level in edge.levels]
    rising = [leaf_hash(entry) for entry in entries]
    level = 0
    while rising:
        if level == len(columns):
            columns.append([])
        columns[level] += rising
        full = len(columns[level]) // TILE_WIDTH
        rising = [root_of(columns[level][i * TILE_WIDTH : (i + 1) * TILE_WIDTH]) for i in range(full)]
        level += 1
    files = []
    for tile in tiles_of(size, since=edge.size):
        first = (edge.size >> (_BITS * (tile.level or 0))) // TILE_WIDTH
        part = slice((tile.number - first) * TILE_WIDTH, (tile.number - first) * TILE_WIDTH + tile.width)
        held = print_entries(bundles[part]) if tile.level is None else print_hashes(columns[tile.level][part])
        files.append((tile.path, held))
    levels = tuple(tuple(column[len(column) - len(column) % TILE_WIDTH :]) for column in columns)
    return Growth(TreeEdge(size, levels, bundles[len(bundles) - len(bundles) % TILE_WIDTH :]), tuple(files))
