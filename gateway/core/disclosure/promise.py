"""The promise to the consumer: a header of the signed response part that names the leaves which will be in the public log.

    Access-Record: <log origin> <base64 leaf hash>[, <base64 leaf hash>]...

The provider's signature covers it, so a promise without its leaf in the log, some time later, proves who broke it. Consumers that
do not know the header pass it on untouched; a service's own header of that name does not travel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.text import parse_hash, print_base64
from gateway.core.messages.rest import Headers
from gateway.core.values import quick

PROMISE_HEADER = "Access-Record"
_ORIGIN = re.compile(r"[!-*\-./-~]{1,255}")  # printable ASCII without plus (signed-note key names) and comma
_MOST_LEAVES = 250


@quick
@dataclass(frozen=True, slots=True)
class Promise:
    """`leaves`: leaf hashes of 32 bytes, at least one."""

    origin: str
    leaves: tuple[bytes, ...]


def print_promise(promise: Promise) -> str:
    return f"{promise.origin} {', '.join(map(print_base64, promise.leaves))}"


def parse_promise(value: str) -> Promise:
    """MalformedMessage for what is no promise."""
    origin, blank, leaves = value.partition(" ")
    pieces = leaves.split(", ")
    if not blank or not _ORIGIN.fullmatch(origin) or len(pieces) > _MOST_LEAVES:
        raise MalformedMessage("not a promise of access records")
    return Promise(origin, tuple(map(parse_hash, pieces)))


def promise_of(headers: Headers) -> Promise | None:
    """The promise in a response's headers; None when there is none. MalformedMessage for a bad one, or more than one."""
    found = [value for name, value in headers if name.lower() == PROMISE_HEADER.lower()]
    if len(found) > 1:
        raise MalformedMessage("several promises of access records")
    return parse_promise(found[0]) if found else None


def with_promise(headers: Iterable[tuple[str, str]], promise: Promise | None) -> Sequence[tuple[str, str]]:
    """The service's headers as they may travel, then the promise."""
    kept = [(name, value) for name, value in headers if name.lower() != PROMISE_HEADER.lower()]
    return kept if promise is None else [*kept, (PROMISE_HEADER, print_promise(promise))]
