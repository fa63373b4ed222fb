"""Findings on the content of messages as rows of `content_finding`: columns, arrays for the batch statement, sums for reports.

Rows name organisations, a facility's code, a reason's code: nothing about a person. They outlive the messages they were found in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
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

_SUMS = """
SELECT client, service, subject, cause, count(*) AS messages, count(*) FILTER (WHERE refused) AS refused
FROM content_finding WHERE rule = $1 AND time >= $2 AND time < $3
GROUP BY client, service, subject, cause ORDER BY client, service, subject, cause
"""


def arrays_after(parameters: int) -> str:
    """The arrays' parameters in a statement that has so many others before them."""
    return ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(_COLUMNS, parameters + 1))


def arrays_of(found: Iterable[Found]) -> list[list[Any]]:
    """One array a column, for `unnest`; at least one finding."""
    rows = ((uid, f.rule, f.policy.value, f.cause, f.subject, f.refuse) for uid, f in found)
    return [list(column) for column in zip(*rows, strict=True)]


async def sums(pool: asyncpg.Pool, rule: Rule, since: datetime, until: datetime) -> Sequence[FindingSum]:
    """Of messages from `since` (included) to `until` (not)."""
    rows = await pool.fetch(_SUMS, rule, since, until)
    return [FindingSum(*row) for row in rows]
