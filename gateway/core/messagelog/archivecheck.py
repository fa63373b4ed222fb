"""Is a set of archives a whole chain of evidence? Asked offline, of the files and a global configuration alone (reference 6.3).

For each archive:

1. It is a ZIP file of containers that ends with `linkinginfo`, which names exactly the containers that are there, in their order.
2. The chain digests follow from the containers' bytes and the archive before it.
3. Its file name ends with the last of them.
4. The archive that it stands on is here and ends with the digest that this one begins with, or it is the first of its group; and no
   other archive is in the same place. (`from_any`: the oldest of a group may stand on one that is not here.)
5. Every container in it is evidence (`containercheck.py`).

So nothing can be altered, removed or added between the first and the last archive. That nothing was cut off at the end, the
files cannot say: the database's last archive, or the one somebody else remembers, must be among them.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.messagelog.archive import Archive, open_archive, refused, verify_links
from gateway.core.messagelog.containercheck import verify_container
from gateway.core.messagelog.linking import LinkingInfo
from gateway.core.messagelog.steps import Step, Steps
from gateway.core.messagelog.strictzip import ZipEntry
from gateway.core.signing.verify import SignerVerdicts

_NAME = re.compile(r"mlog-(?:(.*)-)?[0-9]{14}-[0-9]{14}-([0-9a-f]{16})\.zip")


@dataclass(frozen=True, slots=True)
class ArchiveReport:
    """`file`: name of the archive; `containers`: how many were found in it."""

    file: str
    containers: int
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """`file`: open, the caller's. `new_file`: an empty file to unpack a container into, closed here."""

    name: str
    file: BinaryIO
    new_file: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class LinkedArchive:
    """One archive by itself. `info` is None when it cannot be read."""

    name: str
    containers: int
    info: LinkingInfo | None
    steps: tuple[Step, ...]


def inspect_archive(archive: OpenArchive, conf: GlobalConfiguration, verdicts: SignerVerdicts) -> LinkedArchive:
    """Steps 1, 2, 3 and 5. Raises nothing of its own."""
    steps = Steps()
    opened = steps.attempt(1, lambda: _open(archive.file))
    if opened is None:
        return LinkedArchive(archive.name, 0, None, tuple(steps.done))
    digests = [(c.name, _inspect_container(steps, archive, opened, c, conf, verdicts)) for c in opened.containers]
    steps.attempt(2, lambda: _check_chain(opened.info, digests))
    steps.attempt(3, lambda: _check_name(archive.name, opened.info))
    ordered = sorted(steps.done, key=lambda step: step.number)
    return LinkedArchive(archive.name, len(opened.containers), opened.info, tuple(ordered))


def unreadable_archive(name: str, why: str, code: str | None = None) -> LinkedArchive:
    """One that nobody here can look into."""
    return LinkedArchive(name, 0, None, (Step(1, why, False, code),))


def report_chains(archives: Sequence[LinkedArchive], *, from_any: bool = False) -> tuple[ArchiveReport, ...]:
    """Step 4, of all archives together; the reports are in the order given."""
    chains = _Chains(archives, from_any=from_any)
    reports = []
    for archive in archives:
        steps = Steps(list(archive.steps))
        steps.attempt(4, partial(chains.check, archive))
        ordered = sorted(steps.done, key=lambda step: step.number)
        reports.append(ArchiveReport(archive.name, archive.containers, tuple(ordered)))
    return tuple(reports)


# --- one archive -------------------------------------------------------------------------------------------------------


def _open(file: BinaryIO) -> tuple[str, Archive]:
    archive = open_archive(file)
    return f"an archive of {len(archive.containers)} container(s)", archive


def _inspect_container(
    steps: Steps,
    archive: OpenArchive,
    opened: Archive,
    entry: ZipEntry,
    conf: GlobalConfiguration,
    verdicts: SignerVerdicts,
) -> Digest | None:
    """Its SHA-512, None when it cannot be unpacked; and step 5."""
    running = hashlib.sha512()
    with archive.new_file() as unpacked:
        try:
            for piece in opened.pieces(entry):
                running.update(piece)
                unpacked.write(piece)
        except MalformedMessage as e:
            steps.fail(5, f"{entry.name}: {e}", e.code)
            return None
        report = verify_container(unpacked, conf, verdicts)
    if report.ok:
        steps.note(5, f"{entry.name}: every step held")
    else:
        what = next(step.what for step in report.steps if not step.ok)
        steps.fail(5, f"{entry.name}: {what}", report.code)
    return Digest(DigestAlgorithm.SHA512, running.digest())


def _check_chain(info: LinkingInfo, digests: Sequence[tuple[str, Digest | None]]) -> tuple[str, None]:
    whole = [(name, digest) for name, digest in digests if digest is not None]
    verify_links(info, whole)
    return "the chain digests follow from the containers and the archive before", None


def _check_name(name: str, info: LinkingInfo) -> tuple[str, None]:
    match = _NAME.fullmatch(name)
    if match is None or match[2] != info.last[:16]:
        raise refused("its file name is not that of its last chain digest")
    return "the file name ends with the last chain digest", None


# --- the chains --------------------------------------------------------------------------------------------------------


class _Chains:
    """Where each archive stands among those given. `from_any`: see the module docstring."""

    def __init__(self, archives: Sequence[LinkedArchive], *, from_any: bool) -> None:
        read = [(a.name, a.info) for a in archives if a.info is not None]
        self._ends = {name: info.last for name, info in read}
        self._places = Counter((_group(name), info.previous) for name, info in read)
        self._starts = Counter(_group(name) for name, info in read if info.previous.file not in self._ends)
        self._from_any = from_any

    def check(self, archive: LinkedArchive) -> tuple[str, None]:
        if archive.info is None:
            raise refused("it cannot be linked without its linking info")
        group, previous = _group(archive.name), archive.info.previous
        if self._places[group, previous] > 1:
            raise refused(f"another archive stands on {previous.file or 'nothing'} too")
        if not previous.file:
            return "the first archive of its group", None
        if previous.file in self._ends:
            if self._ends[previous.file] != previous.digest:
                raise refused(f"it does not begin where {previous.file} ends")
            return f"it begins where {previous.file} ends", None
        if not self._from_any or self._starts[group] > 1:
            raise refused(f"the archive before it, {previous.file}, is not here")
        return f"the oldest one given; the archive before it, {previous.file}, is not here", None


def _group(name: str) -> str | None:
    match = _NAME.fullmatch(name)
    return None if match is None else match[1]
