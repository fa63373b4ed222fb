"""Findings on the content of messages as rows of `content_finding`: columns, arrays for the batch statement, sums for reports.

Rows name organisations, a facility's code, a reason's code: nothing about a person. They outlive the messages they were found in,
and become sums of a month themselves (`findingsums.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from gateway.core.content.finding import Finding, Rule
from gateway.core.content.statistics import FindingSum

Found: TypeAlias = tuple[UUID, Finding]

# Column and array type, in the order of `arrays_of`.
_COLUMNS = (
    ("message_uid", "uuid"),
    ("rule", "text"),
    ("policy", "text"),
    ("cause", "text"),
    ("subject", "text"),
    ("refused", "boolean"),
)
NAMES = ", ".join(name for name, _ in _COLUMNS)

HERE = timezone(timedelta(hours=7))
"""Months are Vietnam's."""

_SUMS = """
SELECT client, service, subject, cause, sum(messages)::bigint AS messages, sum(refused)::bigint AS refused
FROM (
    SELECT client, service, subject, cause, count(*) AS messages, count(*) FILTER (WHERE refused) AS refused
    FROM content_finding WHERE rule = $1 AND time >= $2 AND time < $3 GROUP BY client, service, subject, cause
    UNION ALL
    SELECT client, service, subject, cause, messages, refused FROM content_finding_sum WHERE rule = $1 AND month = $4
) AS found
GROUP BY client, service, subject, cause ORDER BY client, service, subject, cause
"""


def arrays_after(parameters: int) -> str:
    """The arrays' parameters in a statement that has so many others before them."""
    return ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(_COLUMNS, parameters + 1))


def arrays_of(found: Iterable[Found]) -> list[list[Any]]:
    """One array a column, for `unnest`; at least one finding."""
    rows = ((uid, f.rule, f.policy.value, f.cause, f.subject, f.refuse) for uid, f in found)
    return [list(column) for column in zip(*rows, strict=True)]


def month_of(day: date) -> tuple[datetime, datetime]:
    """The month that `day` is in: its first moment, and that of the next."""
    first = datetime(day.year, day.month, 1, tzinfo=HERE)
    return first, (first + timedelta(days=31)).replace(day=1)


async def sums(pool: asyncpg.Pool, rule: Rule, day: date) -> Sequence[FindingSum]:
    """Of the month that `day` is in, whether its messages are still told apart or not."""
    since, until = month_of(day)
    rows = await pool.fetch(_SUMS, rule, since, until, since.date())
    return [FindingSum(*row) for row in rows]
