"""What an answer means for a message, and when the next attempt is. Pure.

  1. an X-Road error (header X-Road-Error): by its code
  2. the receiver's own status: 2xx with the receipt for exactly this message is delivery; 408, 425, 429, 5xx pass; others stay
  3. no answer: it may have arrived or not, so it is sent again

What is not known to be permanent is tried again: the deadline bounds it, and a repeat does no harm at the receiver.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from adapters.sdk.delivery.messages import parse_receipt
from adapters.sdk.problems import MalformedCall
from adapters.sdk.schema import parse_json

# Last pieces of X-Road codes that the same message meets again until a person changes a right, an address or the message itself.
_PERMANENT_CODES: Final = """
    access_denied unknown_member unknown_service service_type service_missing_url service_malformed_url
    bad_request invalid_request invalid_message invalid_body invalid_rest invalid_soap invalid_xml invalid_content_type
    invalid_http_method invalid_protocol_version invalid_client_identifier missing_header missing_header_field
    duplicate_header_field inconsistent_headers missing_body missing_rest missing_soap client_proxy_version_not_supported
"""
_PERMANENT = {code.replace("_", "") for code in _PERMANENT_CODES.split()}
_TEMPORARY_STATUS: Final = frozenset({408, 425, 429})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Answer:
    """`error`: the header X-Road-Error, None when the answer is the receiver's; `request_id`: X-Road-Request-Id."""

    status: int
    body: bytes = field(repr=False)
    error: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    pass


@dataclass(frozen=True, slots=True)
class Failed:
    """`cause`: a code, never a text of somebody's; `permanent`: the same attempt would fail again."""

    cause: str
    permanent: bool


Verdict: TypeAlias = Delivered | Failed


@dataclass(frozen=True, slots=True)
class Retry:
    at: datetime


@dataclass(frozen=True, slots=True)
class Dead:
    """A matter for a person."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Waits between attempts: `first`, doubled each time up to `longest`, then somewhere between half of that and all of it."""

    first: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(hours=1)


def judge(answer: Answer, message_id: UUID, sha512: bytes) -> Verdict:
    """`sha512`: of the body that was sent."""
    if answer.error is not None:
        cause = answer.error if _CODE.fullmatch(answer.error) else "unreadable_code"
        last = cause.rpartition(".")[2].replace("_", "").lower()
        return Failed(cause, permanent=last in _PERMANENT)
    if 200 <= answer.status < 300:
        return _judge_receipt(answer.body, message_id, sha512)
    permanent = answer.status < 500 and answer.status not in _TEMPORARY_STATUS
    return Failed(_code_of(answer), permanent)


def _judge_receipt(body: bytes, message_id: UUID, sha512: bytes) -> Verdict:
    """Something answered in the receiver's name without confirming this message: sending again would change nothing."""
    try:
        receipt = parse_receipt(body)
    except ValueError:
        return Failed("receipt_missing", permanent=True)
    if receipt.message_id != message_id:
        return Failed("receipt_of_another_message", permanent=True)
    if receipt.sha512 != sha512:
        return Failed("receipt_of_other_content", permanent=True)
    return Delivered()


def _code_of(answer: Answer) -> str:
    """The stable code of an RFC 9457 problem, else the status."""
    try:
        value = parse_json(answer.body)
    except MalformedCall:
        value = None
    code = value.get("code") if isinstance(value, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else f"http_{answer.status}"


def after_failure(
    failure: Failed, attempts: int, now: datetime, deadline: datetime, draw: float, patience: Patience
) -> Retry | Dead:
    """`attempts`: begun so far, at least 1; `draw`: in [0, 1), so that senders that failed together do not return together."""
    if failure.permanent or now >= deadline:
        return Dead()
    doublings = min(attempts - 1, 30)
    wait = min(patience.first * 2**doublings, patience.longest)
    return Retry(min(now + wait * (0.5 + draw / 2), deadline))
