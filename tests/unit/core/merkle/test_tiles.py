"""Tiles: paths, widths and contents as C2SP tlog-tiles has them; a log that grows in steps is the log that grew at once."""

from __future__ import annotations

import random

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.hashing import leaf_hash, root_of
from gateway.core.merkle.tiles import (
    Growth,
    Tile,
    TileNodes,
    TreeEdge,
    grow,
    parse_entries,
    parse_hashes,
    parse_tile_path,
    print_entries,
    print_hashes,
    tiles_of,
)

PATHS = {
    "tile/0/000": Tile(0, 0),
    "tile/0/999": Tile(0, 999),
    "tile/0/x001/000": Tile(0, 1000),
    "tile/3/x001/x234/067": Tile(3, 1234067),
    "tile/3/x001/x234/067.p/8": Tile(3, 1234067, 8),
    "tile/entries/x001/x234/067": Tile(None, 1234067),
    "tile/entries/000.p/255": Tile(None, 0, 255),
    "tile/63/000": Tile(63, 0),
}


@pytest.mark.parametrize("path", PATHS)
def test_paths(path: str) -> None:
    assert parse_tile_path(path) == PATHS[path]
    assert PATHS[path].path == path


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/001/000",
        "tile/0/x000/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/08",
        "tile/0/000.p/999",
        "tile/data/000",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/٠٠٠",
        "tile/0/000\n",
        "checkpoint",
    ],
)
def test_paths_fail(path: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_tile_path(path)


def test_tiles_of_the_specifications_examples() -> None:
    def partial(size: int, level: int) -> list[str]:
        return [t.path for t in tiles_of(size) if t.level == level and t.width < 256]

    full = [t for t in tiles_of(70_000) if t.width == 256]
    assert [sum(t.level == level for t in full) for level in (None, 0, 1, 2)] == [273, 273, 1, 0]
    assert [partial(70_000, level) for level in (0, 1, 2)] == [
        ["tile/0/273.p/112"],
        ["tile/1/001.p/17"],
        ["tile/2/000.p/1"],
    ]
    assert [t.path for t in tiles_of(256)] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_of(0)) == list(tiles_of(300, since=300)) == []


def test_what_a_step_adds() -> None:
    assert [t.path for t in tiles_of(300, since=255)] == [
        "tile/entries/000",
        "tile/entries/001.p/44",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
    ]


def test_hashes_and_entries_fail() -> None:
    tile = Tile(0, 0, 2)
    for data in (b"", bytes(63), bytes(65), bytes(96)):
        with pytest.raises(MalformedMessage):
            parse_hashes(data, tile)
    for data in (b"", b"\0\1a", b"\0\1a\0\1", b"\0\1a\0\1b\0", b"\0\1a\0\1b\0\1c", b"\0\1a\0\2b"):
        with pytest.raises(MalformedMessage):
            parse_entries(data, Tile(None, 0, 2))


def test_hashes_and_entries() -> None:
    hashes = (bytes(32), bytes([1] * 32))
    assert parse_hashes(print_hashes(hashes), Tile(0, 0, 2)) == hashes
    entries = (b"", b"x" * 65_535)
    assert print_entries((b"", b"ab")) == b"\0\0\0\2ab"
    assert parse_entries(print_entries(entries), Tile(None, 0, 2)) == entries
    with pytest.raises(OverflowError):
        print_entries((b"x" * 65_536,))


def entries_of(size: int) -> list[bytes]:
    return [n.to_bytes(4, "big") * 27 for n in range(size)]


def grown(size: int, steps: random.Random) -> tuple[Growth, dict[str, bytes]]:
    """`size` entries appended in random steps; every file that was ever written."""
    entries, growth = entries_of(size), Growth(TreeEdge(), ())
    files: dict[str, bytes] = {}
    while growth.edge.size < size:
        step = steps.choice((1, 7, 255, 256, 257, 1000) if size < 10_000 else (257, 30_000))
        growth = grow(growth.edge, entries[growth.edge.size : growth.edge.size + step])
        for path, data in growth.files:
            assert files.setdefault(path, data) == data  # an immutable path is never written with other bytes
    return growth, files


@pytest.mark.parametrize("size", [1, 255, 256, 257, 3000, 66_000])
def test_growth_in_steps(size: int) -> None:
    growth, files = grown(size, random.Random(size))
    hashes = [leaf_hash(entry) for entry in entries_of(size)]
    assert growth.edge.root == root_of(hashes)
    assert growth.edge.size == size
    assert all(len(level) < 256 for level in growth.edge.levels) and len(growth.edge.bundle) < 256
    at_once = dict(grow(TreeEdge(), entries_of(size)).files)
    assert at_once.keys() == {tile.path for tile in tiles_of(size)}
    assert at_once.items() <= files.items()
    nodes = TileNodes(size, lambda tile: files[tile.path])
    assert nodes(0, size - 1) == hashes[-1]
    assert nodes(7, 0) == root_of(hashes[:128]) or size < 128
    if size >= 65_536:
        assert nodes(16, 0) == root_of(hashes[:65_536])


def test_nothing_appended() -> None:
    edge = grow(TreeEdge(), entries_of(10)).edge
    assert grow(edge, ()) == Growth(edge, ())
