"""What ties archives of the message log into one chain (X-Road's `linkinginfo`; reference 6.3).

Every container's digest is chained to the one before it, across archives: an archive begins with the last chain digest and the file
name of the archive before it. So a container that was altered, removed or put elsewhere breaks every digest behind it, and an
archive that was removed leaves a gap. The text, in UTF-8:

    <last chain digest of the archive before, or -> <its file name, or -> SHA-512
    <chain digest 1> <container name 1>
    <chain digest 2> <container name 2>

    chain digest n = hex(SHA-512(chain digest n-1 ++ hex(SHA-512(container n))))

where the first stands on the last digest of the archive before, or on nothing. Each group of records has a chain of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.core.digest import Digest
from gateway.core.errors import MalformedMessage

LINKING_INFO = "linkinginfo"
MAX_LINKING_INFO = 64 << 20
_ALGORITHM = "SHA-512"
_HEX = re.compile(r"[0-9a-f]{128}")
_NAME = re.compile(r"[!-.0-~]{1,512}")  # no blank, no slash, nothing outside ASCII: containers' names are escaped
_UNSAFE = re.compile(r'[\x00-\x1f\x7f\\<>/:|*?"]')
_GROUP_LENGTH = 200


@dataclass(frozen=True, slots=True)
class ArchiveEnd:
    """Where a chain stands: the last chain digest and the file that ends with it. Both empty before the first archive."""

    digest: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """`digest`: chain digest, lower-case hexadecimal; `file`: name of the container."""

    digest: str
    file: str


@dataclass(frozen=True, slots=True)
class LinkingInfo:
    """`previous`: the archive before."""

    previous: ArchiveEnd
    links: tuple[Link, ...]

    @property
    def last(self) -> str:
        """The digest that the next archive begins with."""
        return self.links[-1].digest if self.links else self.previous.digest


def link(previous: ArchiveEnd, containers: Iterable[tuple[str, Digest]]) -> LinkingInfo:
    """Chains (name, SHA-512 of the file) in the order given."""
    links: list[Link] = []
    last = previous.digest
    for name, digest in containers:
        last = hashlib.sha512((last + digest.value.hex()).encode()).hexdigest()
        links.append(Link(last, name))
    return LinkingInfo(previous, tuple(links))


def print_linking_info(info: LinkingInfo) -> bytes:
    lines = [f"{info.previous.digest or '-'} {info.previous.file or '-'} {_ALGORITHM}"]
    lines += [f"{entry.digest} {entry.file}" for entry in info.links]
    return "".join(f"{line}\n" for line in lines).encode()


def parse_linking_info(data: bytes) -> LinkingInfo:
    """MalformedMessage for anything but the text of the module docstring."""
    try:
        text = data.decode("ascii") if len(data) <= MAX_LINKING_INFO else ""
    except UnicodeDecodeError as e:
        raise _malformed("not text") from e
    if not text.endswith("\n"):
        raise _malformed("empty, oversized or cut short")
    first, *rest = text[:-1].split("\n")
    pieces = first.split(" ")
    if len(pieces) != 3 or pieces[2] != _ALGORITHM:
        raise _malformed("the first line is not about an archive, or in another algorithm than SHA-512")
    digest, file = ("" if piece == "-" else piece for piece in pieces[:2])
    if bool(digest) != bool(file) or (digest and not (_HEX.fullmatch(digest) and _NAME.fullmatch(file))):
        raise _malformed("the archive before is not named")
    links = tuple(_link(line) for line in rest)
    if len({entry.file for entry in links}) != len(links):
        raise _malformed("a container is named twice")
    return LinkingInfo(ArchiveEnd(digest, file), links)


def _link(line: str) -> Link:
    digest, _, file = line.partition(" ")
    if not _HEX.fullmatch(digest) or not _NAME.fullmatch(file):
        raise _malformed("a line is not a digest and a name")
    return Link(digest, file)


def _malformed(what: str) -> MalformedMessage:
    return MalformedMessage(f"The linking info of the archive is malformed: {what}", code="malformed_linking_info")


def archive_name(group: str, first: datetime, last: datetime, digest: str) -> str:
    """X-Road's name of an archive. `group`: as `safe_group` gives it, empty for none; `first`, `last`: times of the first and the
    last record in it; `digest`: its last chain digest."""
    prefix = f"mlog-{group}-" if group else "mlog-"
    start, end = (moment.astimezone(UTC).strftime("%Y%m%d%H%M%S") for moment in (first, last))
    return f"{prefix}{start}-{end}-{digest[:16]}.zip"


def safe_group(group: str) -> str:
    """A group's name as it may stand in a file name (reference 6.3)."""
    return _UNSAFE.sub("_", group)[:_GROUP_LENGTH]
