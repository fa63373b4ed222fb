"""A message to deliver, and the receipt that its receiver gives. Pure values.

The receipt is the body of the receiver's answer. It names the message and the SHA-512 of the body that arrived, and it is signed:
the receiver's security server signs every answer, bound to the request that it answers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from adapters.sdk.problems import MalformedCall
from adapters.sdk.schema import parse_json
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import parse_service_id

_PATH = re.compile(r"(?:/[A-Za-z0-9._~:@!$&'()*+,;=-]+)+")
_HEX_SHA512 = re.compile(r"[0-9a-f]{128}")
_HEADER_TEXT = re.compile(r"[!-~]{1,255}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Message:
    """`ordering_key`: messages that share it arrive in order; `issue`: the dossier, travels as X-Road-Issue.

    `service`: `VN/GOV/G15/hotich/legs`; `path`: below it, nothing in it needs escaping; `body`: JSON, sent as these bytes;
    `deadline`: after it no attempt begins and the message is a dead letter. ValueError when one of them cannot be sent.
    """

    message_id: UUID
    ordering_key: str
    issue: str
    service: str
    path: str
    body: bytes = field(repr=False)
    deadline: datetime
    purpose: str | None = None
    legal_basis: str | None = None

    def __post_init__(self) -> None:
        try:
            parse_service_id(self.service)
        except MalformedMessage as e:
            raise ValueError("a message goes to a service: INSTANCE/CLASS/MEMBER/SUBSYSTEM/service") from e
        if not _PATH.fullmatch(self.path):
            raise ValueError("the path of a message has an empty piece or a character that needs an escape")
        for text in (self.issue, self.purpose, self.legal_basis):
            if text is not None and not _HEADER_TEXT.fullmatch(text):
                raise ValueError("issue, purpose and legal basis are headers: printable ASCII without blanks")
        if self.deadline.tzinfo is None:
            raise ValueError("a deadline has a time zone")

    @property
    def sha512(self) -> bytes:
        return hashlib.sha512(self.body).digest()


@dataclass(frozen=True, slots=True)
class Receipt:
    """`sha512`: of the body as it arrived; `answer`: what else the receiver says."""

    message_id: UUID
    sha512: bytes = field(repr=False)
    answer: Mapping[str, object] = field(repr=False, default_factory=dict)


def json_body(value: Mapping[str, object]) -> bytes:
    """UTF-8 JSON, the same bytes for the same members."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def parse_receipt(raw: bytes) -> Receipt:
    """ValueError for whatever is no receipt."""
    try:
        value = parse_json(raw)
    except MalformedCall as e:
        raise ValueError("a receipt is a JSON object") from e
    if not isinstance(value, dict):
        raise ValueError("a receipt is a JSON object")
    members = dict(value)
    message_id, sha512 = members.pop("message_id", None), members.pop("sha512", None)
    if not isinstance(message_id, str) or not _UUID.fullmatch(message_id):
        raise ValueError("a receipt names its message")
    if not isinstance(sha512, str) or not _HEX_SHA512.fullmatch(sha512):
        raise ValueError("a receipt has the SHA-512 of what arrived")
    return Receipt(UUID(message_id), bytes.fromhex(sha512), members)
