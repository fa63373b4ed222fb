"""`GET /asic`: an information system fetches the signed containers of its messages (reference 2.5).

Who may: an information system of the client named in the query, connected as that client's configuration asks, exactly as for a
call. It gets the messages in which this client asked or was asked through this server; of others it learns nothing, not even
that they exist. Errors are plain text, with X-Road's sentences.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Protocol
from urllib.parse import quote_plus

from gateway.core.errors import AuthenticationFailed, GatewayError, MalformedMessage, UnknownSubject
from gateway.core.identifiers import ClientId, MemberId, SubsystemId
from gateway.core.messagelog.record import RecordKind
from gateway.core.serverconf.admission import admit
from gateway.core.serverconf.model import ServerConf
from gateway.exchange.states import InformationSystem
from gateway.httpd.values import Answer

_IN_MEMORY = 1 << 20
_PIECE = 1 << 18
_CONTAINER_TYPE = "application/vnd.etsi.asic-e+zip"


class NamedContainer(Protocol):
    @property
    def name(self) -> str:
        """File name."""

    @property
    def time(self) -> datetime:
        """When the message was recorded."""

    async def write(self, out: IO[bytes]) -> None:
        """EvidenceUnavailable when the log does not have what was recorded."""


class Containers(Protocol):
    """Where containers come from."""

    async def find(
        self, message_id: str, *, client: ClientId | None = None, kind: RecordKind | None = None, force: bool = False
    ) -> Sequence[NamedContainer]:
        """The client's messages with this id; EvidenceUnavailable when one is not time-stamped. `force`: stamp it now."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    message_id: str
    client: ClientId
    kind: RecordKind | None
    unique: bool
    force: bool


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def answer_asic(
    query: Mapping[str, str], containers: Containers, conf: ServerConf, system: InformationSystem
) -> Answer:
    """The whole answer, errors included. Everything is put together before the first byte leaves, so a failure is an error and not
    half a file."""
    try:
        client = _client(query)
        _admit(conf, client, system)
        wanted = _parse(query, client)
        found = await _find(containers, wanted)
        if wanted.unique:
            return await _one(found[-1])
        return await _all(wanted, found)
    except _Refused as e:
        return _text(e.status, str(e))
    except GatewayError as e:
        return _text(500, e.safe_detail)


# --- who asks for what ---------------------------------------------------------------------------------------------------


def _client(query: Mapping[str, str]) -> ClientId:
    instance, member_class, code = (_needed(query, name) for name in ("xRoadInstance", "memberClass", "memberCode"))
    subsystem = query.get("subsystemCode")
    try:
        if subsystem is None:
            return MemberId(instance, member_class, code)
        return SubsystemId(instance, member_class, code, subsystem)
    except MalformedMessage as e:
        raise _Refused(400, e.safe_detail) from e


def _parse(query: Mapping[str, str], client: ClientId) -> _Wanted:
    message_id = _needed(query, "queryId")
    request_only, response_only, unique = (name in query for name in ("requestOnly", "responseOnly", "unique"))
    if request_only and response_only:
        raise _Refused(400, 'Parameters "requestOnly" and "responseOnly" cannot be used at the same time.')
    if unique and not (request_only or response_only):
        raise _Refused(400, 'Parameter "unique" not applicable without "requestOnly" or "responseOnly".')
    kind: RecordKind | None = "request" if request_only else "response" if response_only else None
    return _Wanted(message_id, client, kind, unique, "force" in query)


def _needed(query: Mapping[str, str], name: str) -> str:
    value = query.get(name)
    if value is None:
        raise _Refused(400, f'Parameter "{name}"  must be specified.')  # two blanks, as X-Road
    return value


def _admit(conf: ServerConf, client: ClientId, system: InformationSystem) -> None:
    try:
        admit(conf, client, tls=system.tls, certificate=system.certificate)
    except (AuthenticationFailed, UnknownSubject) as e:
        raise _Refused(401, e.safe_detail) from e


async def _find(containers: Containers, wanted: _Wanted) -> Sequence[NamedContainer]:
    found = await containers.find(wanted.message_id, client=wanted.client, kind=wanted.kind, force=wanted.force)
    if not found:
        raise _Refused(404, "No signed documents found")
    return found


# --- answers -------------------------------------------------------------------------------------------------------------


async def _one(container: NamedContainer) -> Answer:
    with ExitStack() as stack:
        file = stack.enter_context(_new_file())
        await container.write(file)
        return _file(stack, file, _CONTAINER_TYPE, container.name)


async def _all(wanted: _Wanted, found: Sequence[NamedContainer]) -> Answer:
    with ExitStack() as stack:
        file = stack.enter_context(_new_file())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for container in found:
                with _new_file() as one:
                    await container.write(one)
                    _store(archive, container, one)
        suffix = "" if wanted.kind is None else f"-{wanted.kind}"
        return _file(stack, file, "application/zip", f"{quote_plus(wanted.message_id, safe='*')}{suffix}.zip")


def _store(archive: zipfile.ZipFile, container: NamedContainer, file: IO[bytes]) -> None:
    entry = zipfile.ZipInfo(container.name, container.time.astimezone(UTC).timetuple()[:6])
    entry.file_size = file.seek(0, 2)
    file.seek(0)
    with archive.open(entry, "w") as out:
        while piece := file.read(_PIECE):
            out.write(piece)


def _file(opened: ExitStack, file: IO[bytes], content_type: str, name: str) -> Answer:
    """What `opened` holds is closed when the answer has left."""
    headers = (("Content-Type", content_type), ("Content-Disposition", f'attachment; filename="{name}"'))
    size = file.seek(0, 2)
    file.seek(0)
    return Answer(200, headers, pieces=_pieces(file), length=size, done=opened.pop_all().close)


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _text(status: int, text: str) -> Answer:
    return Answer(status, (("Content-Type", "text/plain; charset=utf-8"),), text.encode())


def _new_file() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)
