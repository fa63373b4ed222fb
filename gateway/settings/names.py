"""Identifiers as administrators write them: plain text (no percent-encoding), the own instance left out where that is clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import WithJsonSchema

from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import (
    ClientId,
    GlobalGroupId,
    LocalGroupId,
    MemberId,
    SecurityServerId,
    SubsystemId,
    check_piece,
)
from gateway.settings.common import text


@dataclass(frozen=True, slots=True)
class ClientRef:
    """A client as administrators write it.

        GOV/G01            member of the own instance          VN/GOV/G01/dancu    subsystem, written in full
        GOV/G01/dancu      subsystem of the own instance       /EE/GOV/70006317    member, in full: leading slash

    The number of pieces decides, never a look at their content.
    """

    pieces: tuple[str, ...]
    absolute: bool

    def __str__(self) -> str:
        return "/".join(self.pieces) if len(self.pieces) == 4 or not self.absolute else "/" + "/".join(self.pieces)

    def resolve(self, instance: str) -> ClientId:
        pieces = self.pieces if self.absolute else (instance, *self.pieces)
        return MemberId(*pieces) if len(pieces) == 3 else SubsystemId(*pieces)


def client_ref(value: str) -> ClientRef:
    pieces = tuple(value.removeprefix("/").split("/"))
    _check_pieces(value, pieces)
    absolute = value.startswith("/") or len(pieces) == 4
    if len(pieces) not in ((3, 4) if absolute else (2, 3)):
        raise ValueError(
            f"{value!r} is not a client: write CLASS/CODE, CLASS/CODE/SUBSYSTEM or INSTANCE/CLASS/CODE/SUBSYSTEM"
        )
    return ClientRef(pieces, absolute)


def _check_pieces(value: str, pieces: tuple[str, ...]) -> None:
    try:
        for piece in pieces:
            check_piece(piece)
    except MalformedMessage as e:
        raise ValueError(f"{value!r}: {e.safe_detail}") from e
    if any(piece != piece.strip() for piece in pieces):
        raise ValueError(f"{value!r} has blanks at the edge of a piece")


def _piece(value: str) -> str:
    _check_pieces(value, (value,))
    return value


def _member_ref(value: str) -> ClientRef:
    ref = client_ref(value)
    if len(ref.pieces) != (3 if ref.absolute else 2):
        raise ValueError(f"{value!r} is not a member: write CLASS/CODE")
    return ref


def _server_id(value: str) -> SecurityServerId:
    pieces = tuple(value.split("/"))
    _check_pieces(value, pieces)
    if len(pieces) != 4:
        raise ValueError(f"{value!r} is not a security server: write INSTANCE/CLASS/CODE/SERVER")
    return SecurityServerId(*pieces)


@dataclass(frozen=True, slots=True)
class ServerRef:
    """A security server of the own instance: `GOV/G01/ss1`."""

    member_class: str
    member_code: str
    server_code: str

    def __str__(self) -> str:
        return f"{self.member_class}/{self.member_code}/{self.server_code}"

    def resolve(self, instance: str) -> SecurityServerId:
        return SecurityServerId(instance, self.member_class, self.member_code, self.server_code)


def _server_ref(value: str) -> ServerRef:
    pieces = tuple(value.split("/"))
    _check_pieces(value, pieces)
    if len(pieces) != 3:
        raise ValueError(f"{value!r} is not a security server of this instance: write CLASS/CODE/SERVER")
    return ServerRef(*pieces)


@dataclass(frozen=True, slots=True)
class GlobalGroupRef:
    """`group:code`, or `group:INSTANCE/code` for a group of another instance."""

    instance: str | None
    code: str

    def __str__(self) -> str:
        return f"group:{self.code}" if self.instance is None else f"group:{self.instance}/{self.code}"

    def resolve(self, instance: str) -> GlobalGroupId:
        return GlobalGroupId(self.instance or instance, self.code)


@dataclass(frozen=True, slots=True)
class LocalGroupRef:
    """`local:code`: a local group of the client that owns the service."""

    code: str

    def __str__(self) -> str:
        return f"local:{self.code}"

    def resolve(self, instance: str) -> LocalGroupId:
        return LocalGroupId(self.code)


Grantee = ClientRef | GlobalGroupRef | LocalGroupRef


def _grantee(value: str) -> Grantee:
    kind, colon, rest = value.partition(":")
    if not colon:
        return client_ref(value)
    pieces = tuple(rest.split("/"))
    _check_pieces(rest, pieces)
    if kind == "group" and len(pieces) <= 2:
        return GlobalGroupRef(pieces[0] if len(pieces) == 2 else None, pieces[-1])
    if kind == "local" and len(pieces) == 1:
        return LocalGroupRef(pieces[0])
    raise ValueError(f"{value!r} is nobody: write a client id, group:code or local:code")


_ID_SCHEMA: dict[str, Any] = {"type": "string"}
Piece = Annotated[str, text(_piece), WithJsonSchema(_ID_SCHEMA)]
ClientName = Annotated[ClientRef, text(client_ref), WithJsonSchema({**_ID_SCHEMA, "examples": ["GOV/G01/dancu"]})]
MemberName = Annotated[ClientRef, text(_member_ref), WithJsonSchema({**_ID_SCHEMA, "examples": ["GOV/G01"]})]
ServerName = Annotated[ServerRef, text(_server_ref), WithJsonSchema({**_ID_SCHEMA, "examples": ["GOV/G01/ss1"]})]
FullServerName = Annotated[
    SecurityServerId, text(_server_id), WithJsonSchema({**_ID_SCHEMA, "examples": ["VN/GOV/G01/ss1"]})
]
GranteeName = Annotated[
    Grantee, text(_grantee), WithJsonSchema({**_ID_SCHEMA, "examples": ["GOV/G22/dvc", "group:readers", "local:staff"]})
]
