"""X-Road headers of a call, typed (reference 1.2, 1.3).

A provider's security server passes the signed headers of the request on to the service; called directly there are none, and
every field is None. An adapter may rely on them only because nothing but its security server can reach its listener.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from adapters.sdk.problems import MalformedCall
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import ClientId, ServiceId, decode_piece, parse_client_id, parse_service_id

_T = TypeVar("_T")
_OURS = ("x-road-", "purpose-code", "legal-basis")


@dataclass(frozen=True, slots=True)
class RepresentedParty:
    """For whom the client acts: `[class/]code`."""

    party_class: str | None
    party_code: str


@dataclass(frozen=True, slots=True)
class RoadHeaders:
    """`user_id` and `issue` are free text of the caller's information system: evidence, not something to decide by.

    `purpose`, `legal_basis`: the codes of `Purpose-Code` and `Legal-Basis`, which the provider's security server has held against
    the service contract; None when the client's right has one purpose only and the client left it out.
    """

    client: ClientId | None = None
    service: ServiceId | None = None
    message_id: str | None = None
    request_id: str | None = None
    user_id: str | None = None
    issue: str | None = None
    represented_party: RepresentedParty | None = None
    purpose: str | None = None
    legal_basis: str | None = None


def parse_road_headers(headers: Iterable[tuple[str, str]]) -> RoadHeaders:
    """Names in any case; of a repeated header the last counts (reference 1.3); an empty one is an absent one.

    MalformedCall (`invalid_xroad_header`) when an identifier is not one.
    """
    values = {name.lower(): _text(value) for name, value in headers if name.lower().startswith(_OURS)}

    def identifier(name: str, parse: Callable[[str], _T]) -> _T | None:
        value = values.get(name)
        if not value:
            return None
        try:
            return parse(value)
        except MalformedMessage as e:
            raise MalformedCall(
                f"Tiêu đề {name} không hợp lệ (the header {name} is not valid)", code="invalid_xroad_header"
            ) from e

    return RoadHeaders(
        client=identifier("x-road-client", parse_client_id),
        service=identifier("x-road-service", parse_service_id),
        message_id=values.get("x-road-id") or None,
        request_id=values.get("x-road-request-id") or None,
        user_id=values.get("x-road-userid") or None,
        issue=values.get("x-road-issue") or None,
        represented_party=identifier("x-road-represented-party", _represented_party),
        purpose=values.get("purpose-code") or None,
        legal_basis=values.get("legal-basis") or None,
    )


def _represented_party(text: str) -> RepresentedParty:
    match [decode_piece(p) for p in text.split("/")]:
        case [code]:
            return RepresentedParty(None, code)
        case [party_class, code]:
            return RepresentedParty(party_class, code)
        case _:
            raise MalformedMessage("a represented party has one or two pieces")


def _text(value: str) -> str:
    # Bytes that are no UTF-8 come as lone surrogates, which neither JSON nor PostgreSQL can hold.
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
