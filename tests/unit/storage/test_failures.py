"""What an error of the database means for what was being written."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.storage.failures import DATABASE_ERRORS, Failure, failure

CASES = [
    (ConnectionResetError(), Failure.LOST),
    (TimeoutError(), Failure.LOST),
    (asyncpg.InterfaceError("connection is closed"), Failure.LOST),
    (asyncpg.InternalClientError("cannot switch to state 12"), Failure.LOST),  # kill -9 of the server, now and then
    (asyncpg.ConnectionDoesNotExistError(), Failure.LOST),
    (asyncpg.AdminShutdownError(), Failure.LOST),
    (asyncpg.CrashShutdownError(), Failure.LOST),
    (asyncpg.CannotConnectNowError(), Failure.LOST),
    (asyncpg.TooManyConnectionsError(), Failure.LOST),
    (asyncpg.IdleInTransactionSessionTimeoutError(), Failure.LOST),
    (asyncpg.ReadOnlySQLTransactionError(), Failure.LOST),  # the old primary, now a standby
    (asyncpg.InvalidCachedStatementError(), Failure.LOST),
    (asyncpg.SerializationError(), Failure.CONFLICT),
    (asyncpg.DeadlockDetectedError(), Failure.CONFLICT),
    (asyncpg.DataError(), Failure.DATA),
    (asyncpg.CharacterNotInRepertoireError(), Failure.DATA),
    (asyncpg.CheckViolationError(), Failure.DATA),
    (asyncpg.ProgramLimitExceededError(), Failure.DATA),
    (asyncpg.DiskFullError(), Failure.OTHER),
    (asyncpg.InsufficientPrivilegeError(), Failure.OTHER),
]


@pytest.mark.parametrize(("error", "meaning"), CASES, ids=lambda v: type(v).__name__)
def test_meaning(error: Exception, meaning: Failure) -> None:
    assert isinstance(error, DATABASE_ERRORS)
    assert failure(error) is meaning
