"""The adapter's own PostgreSQL: where its parameters come from, the pool, numbered SQL."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.schema import DefinitionError

Pool: TypeAlias = Any  # asyncpg has no types of its own
Connection: TypeAlias = Any

_STEP = re.compile(r"^--- ([0-9]+): .+$", re.MULTILINE)
_OWN_SCHEMA = Path(__file__).parent / "schema.sql"
_COMMAND_SECONDS = 10.0
_UNAVAILABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke inside a command and is given back to its pool
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    OSError,
    TimeoutError,
)


def database_parameters(text: str, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """`asyncpg.create_pool(**…)` parameters from `env:NAME`, `file:PATH`, a DSN, or a JSON object of parameters.

    A password is accepted only through `env:` or `file:`, because every user of the machine can read command lines.
    ValueError says what is wrong without repeating the text.
    """
    if text.startswith("env:"):
        if not (found := environment.get(text[4:])):
            raise ValueError(f"the environment variable {text[4:]} is not set")
        return _parameters(found.strip()) if not found.startswith("file:") else database_parameters(found)
    if text.startswith("file:"):
        return _parameters(Path(text[5:]).read_text("utf-8").strip())
    parameters = _parameters(text)
    if "password" in parameters or re.search(r"//[^/@]*:[^/@]*@|[?&]password=", str(parameters.get("dsn", ""))):
        raise ValueError("no password on the command line: use env:NAME or file:PATH")
    return parameters


def _parameters(text: str) -> dict[str, Any]:
    if text.startswith(("postgresql://", "postgres://")):
        return {"dsn": text}
    try:
        parameters = json.loads(text)
    except ValueError as e:
        raise ValueError("a database is a postgresql:// address or a JSON object of parameters") from e
    if not isinstance(parameters, dict):
        raise ValueError("a database is a postgresql:// address or a JSON object of parameters")
    return parameters


@asynccontextmanager
async def open_pool(parameters: Mapping[str, Any], name: str) -> AsyncIterator[Pool]:
    """At most ten connections, every command bounded in time; `name` is shown in `pg_stat_activity`."""
    defaults: dict[str, Any] = {
        "min_size": 0,  # none is opened again by itself while the database is away
        "max_size": 10,
        "timeout": _COMMAND_SECONDS,
        "command_timeout": _COMMAND_SECONDS,
        "server_settings": {"application_name": f"adapter-{name}", "timezone": "UTC"},
    }
    pool = await asyncpg.create_pool(**{**defaults, **parameters})
    try:
        yield pool
    finally:
        await asyncio.wait_for(pool.close(), _COMMAND_SECONDS)


@asynccontextmanager
async def source_errors() -> AsyncIterator[None]:
    """Turns "the database does not answer" into the problem that says so."""
    try:
        yield
    except _UNAVAILABLE as e:
        raise SourceUnavailable from e


async def bootstrap(pool: Pool, name: str, sql: str) -> None:
    """Bring the schema to its newest step. Steps are `--- <number>: <title>` sections, each applied once.

    An applied step that was edited since, or a database newer than this code, stops the adapter with DefinitionError.
    The framework's own tables (`adapters/sdk/schema.sql`) come first, in the same way. All in one transaction: if we crash here,
    the schema is as before.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "select pg_advisory_xact_lock(hashtext('adapter_schema'))"
        )  # two starts at once: one waits
        await connection.execute(
            "create table if not exists adapter_schema (adapter text, step int, sha256 text not null,"
            " applied_at timestamptz not null default now(), primary key (adapter, step))"
        )
        await _bring_up(connection, "sdk", numbered_steps(_OWN_SCHEMA.read_text("utf-8")))
        await _bring_up(connection, name, numbered_steps(sql))


async def _bring_up(connection: Connection, name: str, steps: Sequence[str]) -> None:
    rows = await connection.fetch("select step, sha256 from adapter_schema where adapter = $1", name)
    applied = {row["step"]: row["sha256"] for row in rows}
    if applied and max(applied) > len(steps):
        raise DefinitionError(f"the database of {name} is at step {max(applied)}, this code knows {len(steps)}")
    for number, text in enumerate(steps, start=1):
        await _apply(connection, name, number, text, applied.get(number))


async def _apply(connection: Connection, name: str, number: int, text: str, applied: str | None) -> None:
    digest, once = (hashlib.sha256((text + blank).encode()).hexdigest() for blank in ("", "\n"))
    if applied is None:
        await connection.execute(text)
        await connection.execute(
            "insert into adapter_schema (adapter, step, sha256) values ($1, $2, $3)", name, number, digest
        )
    elif applied not in (digest, once):  # once: a blank line before the next section belonged to a step
        raise DefinitionError(f"step {number} of {name} was applied with another text; add a step, do not edit one")


def numbered_steps(sql: str) -> tuple[str, ...]:
    """The sections of a schema file, numbered 1, 2, 3 without a gap; DefinitionError otherwise. What stands behind a section
    changes nothing of it: blank lines at its end do not count."""
    pieces = _STEP.split(sql)
    numbers = [int(n) for n in pieces[1::2]]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise DefinitionError("the sections of a schema file are `--- 1: title`, `--- 2: title` and so on")
    return tuple(piece.rstrip() + "\n" for piece in pieces[2::2])
