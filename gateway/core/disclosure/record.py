"""The access record: what one citizen is told of one access. Sixteen texts, empty where there is nothing to say.

Rule: a record is about one person and names no other. It says who, when, for what, on which ground and how it ended; never what
the data was, and of the official only a pseudonym.
"""

from __future__ import annotations

import hmac
from base64 import b32encode
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Literal, TypeAlias

from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import ClientId
from gateway.core.values import quick

Outcome: TypeAlias = Literal["granted", "refused", "failed"]


class Field(IntEnum):
    """Position of each text in the leaf's tree of fields. Positions never change; CASE is `X-Road-Issue`."""

    RECORD = 0
    TIME = 1
    CONSUMER = 2
    SERVICE = 3
    PURPOSE = 4
    LEGAL_BASIS = 5
    OFFICIAL = 6
    REQUEST_HASH = 7
    RESPONSE_HASH = 8
    CATEGORIES = 9
    OUTCOME = 10
    REPRESENTATION = 11
    CASE = 12
    SIGNATURE_HASH = 13
    CONSENT = 14
    FOLLOWS = 15


@quick
@dataclass(frozen=True, slots=True)
class Access:
    """What is the same for every person of one exchange, as texts.

    `request_hash`: X-Road's request hash, hexadecimal; `signature_hash`: SHA-512 of the consumer's signature, hexadecimal: the two
    name the signed request in either message log. `response_hash`: SHA-512 of the service's answer, known for records of
    persons found in it only.
    """

    time: datetime
    consumer: str
    service: str
    purpose: str
    legal_basis: str
    official: str
    request_hash: str
    categories: tuple[str, ...]
    outcome: Outcome
    case: str
    signature_hash: str
    response_hash: str = ""
    representation: str = ""
    consent: str = ""

    def fields(self, record_id: str, follows: str = "") -> tuple[str, ...]:
        """The sixteen texts in the order of Field."""
        return (
            record_id,
            print_time(self.time),
            self.consumer,
            self.service,
            self.purpose,
            self.legal_basis,
            self.official,
            self.request_hash,
            self.response_hash,
            " ".join(self.categories),
            self.outcome,
            self.representation,
            self.case,
            self.signature_hash,
            self.consent,
            follows,
        )


def print_time(time: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return (time if time.tzinfo is UTC else time.astimezone(UTC)).isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_time(text: str) -> datetime:
    """With its time zone. MalformedMessage for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as e:
        raise MalformedMessage("not a time") from e
    if time.tzinfo is None:
        raise MalformedMessage("a time without time zone")
    return time


def official_pseudonym(key: bytes, consumer: ClientId, user: str | None) -> str:
    """The official as this provider's records show one: the same for the same `X-Road-UserId` of the same consumer, another at
    every provider. `key`: 32 secret bytes of the provider. Empty when the consumer named nobody."""
    if not user:
        return ""
    named = "\0".join((*consumer.pieces, user)).encode("utf-8", "surrogatepass")
    return b32encode(hmac.digest(key, b"egov-al/v1/official\0" + named, "sha256")[:15]).decode().lower()
