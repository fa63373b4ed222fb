"""What a failed statement means for what was being written.

    lost      the connection is gone or the server cannot write: whether a commit under way happened is unknown
    conflict  nothing was written; the same again will do (40001, 40P01, 57014)
    data      nothing was written, because of the values: the same again will fail
    (other)   nothing was written: disk full, no privilege, ...

An asyncpg error's text can hold values (message content): it never goes into our errors or logs.
"""

from __future__ import annotations

from enum import Enum

import asyncpg


class Failure(Enum):
    LOST = "lost"
    CONFLICT = "conflict"
    DATA = "data"
    OTHER = "other"


# What may come out of asyncpg. The last two are for a server killed under it: "cannot switch to state", and half a message.
DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
# Of these, what can only be about a database, or about a connection: for who does not know which call it came out of.
SURELY_DATABASE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError)

_CONFLICTS = frozenset({"40001", "40P01", "57014"})
_DATA_CLASSES = frozenset(
    {"22", "23", "54"}
)  # data exception, constraint violation, program limit (index row too large)
# 57P01-57P05: the server ends us or starts up; 25P03: it ended us, who stood still in a transaction; 25006: a standby answers;
# 53300: no connection left. Class 08: connection.
_LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25006", "53300"})


def failure(error: BaseException) -> Failure:
    """The meaning of one of DATABASE_ERRORS."""
    if not isinstance(error, asyncpg.PostgresError) or isinstance(error, asyncpg.InvalidCachedStatementError):
        return Failure.LOST
    state = str(error.sqlstate or "")
    if state in _CONFLICTS:
        return Failure.CONFLICT
    if state in _LOST or state.startswith("08"):
        return Failure.LOST
    return Failure.DATA if state[:2] in _DATA_CLASSES else Failure.OTHER
