"""An archive of the message log: a ZIP file of containers that ends with its linking info (reference 6.3; `linking.py`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.linking import LINKING_INFO, MAX_LINKING_INFO, LinkingInfo, link, parse_linking_info
from gateway.core.messagelog.strictzip import StrictZip, ZipEntry

_CODE = "malformed_archive"
_MAX_CONTAINER = 20 << 30
_MOST_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive in an open file. `info` names the containers in their order; nothing is verified yet."""

    info: LinkingInfo
    containers: tuple[ZipEntry, ...]
    _zip: StrictZip

    def pieces(self, container: ZipEntry) -> Iterator[bytes]:
        """MalformedMessage when it cannot be unpacked."""
        return self._zip.pieces(container, _MAX_CONTAINER)


def open_archive(file: BinaryIO) -> Archive:
    """`file` stays the caller's. MalformedMessage when it is no archive, or its linking info is about other containers."""
    found = StrictZip(file, code=_CODE, most_entries=_MOST_ENTRIES)
    if not found.entries or found.entries[-1].name != LINKING_INFO:
        raise refused("it does not end with its linking info")
    info = parse_linking_info(found.read(found.entries[-1], MAX_LINKING_INFO))
    containers = found.entries[:-1]
    if [entry.name for entry in containers] != [entry.file for entry in info.links]:
        raise refused("its linking info is about other containers")
    return Archive(info, containers, found)


def read_links(file: BinaryIO) -> LinkingInfo:
    """The linking info, every chain digest in it recomputed from the containers' bytes. MalformedMessage otherwise."""
    archive = open_archive(file)
    return verify_links(archive.info, [(c.name, _digest(archive.pieces(c))) for c in archive.containers])


def verify_links(info: LinkingInfo, containers: list[tuple[str, Digest]]) -> LinkingInfo:
    """MalformedMessage when the chain digests do not follow from these containers and the archive before."""
    if link(info.previous, containers) != info:
        raise refused("the chain digests are not those of its containers")
    return info


def refused(what: str) -> MalformedMessage:
    return MalformedMessage(f"The archive is refused: {what}", code=_CODE)


def _digest(pieces: Iterator[bytes]) -> Digest:
    running = hashlib.sha512()
    for piece in pieces:
        running.update(piece)
    return Digest(DigestAlgorithm.SHA512, running.digest())
