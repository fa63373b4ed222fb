"""The parameters of findUsage (data tracker protocol 1.6, section 6): any query gives a value or MalformedMessage.

Stricter than needed where two readings would be possible: each parameter once, dates of RFC 3339 only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from gateway.core.errors import MalformedMessage

MOST = 2**31 - 1  # int32
_DEFAULT_LIMIT = 1000
_MOST_PARAMETERS = 50
_KNOWN = ("userCode", "periodStart", "periodEnd", "offset", "limit")
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """`since`, `until`: both included; None: no limit. `offset`, `limit`: numbers of records."""

    since: datetime | None = None
    until: datetime | None = None
    offset: int = 0
    limit: int = _DEFAULT_LIMIT


def parse_usage_query(query: str | None) -> UsageQuery:
    """`query`: raw, without the question mark. Whom it asks about is not taken from here (the contract's rule reads `userCode`)."""
    given = _parameters(query or "")
    since, until = _moment(given.get("periodStart")), _moment(given.get("periodEnd"))
    return UsageQuery(since, until, _number(given.get("offset"), 0), _number(given.get("limit"), _DEFAULT_LIMIT))


def _parameters(query: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as e:
        raise MalformedMessage("the query cannot be read") from e
    known = [(name, value) for name, value in pairs if name in _KNOWN]
    found = dict(known)
    if len(found) != len(known):
        raise MalformedMessage("a parameter stands twice in the query")
    return found


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or int(text) > MOST:
        raise MalformedMessage("'offset' and 'limit' are numbers from 0 to 2147483647")
    return int(text)


def _moment(text: str | None) -> datetime | None:
    """RFC 3339, with a zone. A leap second is the one before it; what is finer than a microsecond is cut off."""
    if text is None:
        return None
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError("not RFC 3339")
        day, time, second, fraction, zone = found.groups()
        second = "59" if second == "60" else second
        written = f"{day}T{time}:{second}.{(fraction or '0')[:6]:0<6}{zone.upper()}"
        return datetime.fromisoformat(written).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise MalformedMessage("'periodStart' and 'periodEnd' are moments such as 2026-11-24T08:00:00Z") from e
