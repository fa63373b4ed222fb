import asyncio
import hashlib
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from adapters.sdk import DefinitionError, Problem, bootstrap
from adapters.sdk.postgres import database_parameters, numbered_steps, source_errors

TWO = "--- 1: first\ncreate table a (x int);\n--- 2: second\ninsert into a values (1);\n"


def test_parameters(tmp_path: Path) -> None:
    secret = tmp_path / "dsn"
    secret.write_text("postgresql://u:p@/d\n", "utf-8")
    environment = {"DSN": "postgresql://u:p@/d", "JSON": '{"host": "/run", "password": "p"}', "FILE": f"file:{secret}"}
    assert database_parameters("env:DSN", environment) == {"dsn": "postgresql://u:p@/d"}
    assert database_parameters("env:JSON", environment) == {"host": "/run", "password": "p"}
    assert database_parameters("env:FILE", environment) == {"dsn": "postgresql://u:p@/d"}
    assert database_parameters(f"file:{secret}") == {"dsn": "postgresql://u:p@/d"}
    assert database_parameters("postgresql://u@/d?host=/run") == {"dsn": "postgresql://u@/d?host=/run"}
    assert database_parameters('{"host": "/run"}') == {"host": "/run"}


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:hush@host/d",
        "postgres://u:hush@/d",
        "postgresql://u@/d?password=hush",
        '{"host": "/run", "password": "hush"}',
        '{"dsn": "postgresql://u:hush@/d"}',
        "env:ABSENT_hush",
        "host=/run password=hush",
        '["hush"]',
        "",
    ],
)
def test_parameters_fail(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        database_parameters(text, {})
    assert "hush" not in str(refused.value).replace("ABSENT_hush", "")


def test_steps() -> None:
    assert numbered_steps("-- about\n" + TWO) == ("\ncreate table a (x int);\n", "\ninsert into a values (1);\n")


@pytest.mark.parametrize(
    "sql", ["", "create table a ();", "--- 2: x\n", "--- 1: x\n--- 3: y\n", "--- 1: x\n--- 1: y\n"]
)
def test_steps_fail(sql: str) -> None:
    with pytest.raises(DefinitionError):
        numbered_steps(sql)


@pytest.mark.parametrize(
    "error", [OSError(), TimeoutError(), asyncpg.InterfaceError("closed"), asyncpg.AdminShutdownError("x")], ids=repr
)
async def test_a_silent_database_is_one_problem(error: Exception) -> None:
    with pytest.raises(Problem) as told:
        async with source_errors():
            raise error
    assert (told.value.status, told.value.code) == (503, "source_unavailable")


async def test_our_own_faults_are_not_the_databases() -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with source_errors():
            raise asyncpg.UndefinedTableError("x")


async def test_each_step_is_applied_once(source_pool: Any) -> None:
    for _ in range(2):
        await bootstrap(source_pool, "toy", TWO)
    await bootstrap(source_pool, "toy", TWO + "--- 3: third\ninsert into a values (3);\n")
    assert [row["x"] for row in await source_pool.fetch("select x from a order by x")] == [1, 3]


async def test_blank_lines_before_a_new_section_change_nothing_of_the_one_before(source_pool: Any) -> None:
    await bootstrap(source_pool, "toy", TWO)
    third = "\n--- 3: third\n\ninsert into a values (3);\n"
    await bootstrap(source_pool, "toy", TWO + third)
    with_blank_line = hashlib.sha256(b"\ninsert into a values (1);\n\n").hexdigest()  # as such a step was once noted
    await source_pool.execute(
        "update adapter_schema set sha256 = $1 where adapter = 'toy' and step = 2", with_blank_line
    )
    await bootstrap(source_pool, "toy", TWO + third)
    assert [row["x"] for row in await source_pool.fetch("select x from a order by x")] == [1, 3]


async def test_two_starts_at_once(source_pool: Any) -> None:
    await asyncio.gather(*(source_pool.execute("select pg_sleep(0.01)") for _ in range(5)))  # five open connections
    await asyncio.gather(*(bootstrap(source_pool, "toy", TWO) for _ in range(5)))
    assert await source_pool.fetchval("select count(*) from a") == 1


async def test_a_step_that_breaks_leaves_nothing_fail(source_pool: Any) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await bootstrap(source_pool, "toy", "--- 1: x\ncreate table a (x int); insert into b values (1);\n")
    assert await source_pool.fetchval("select to_regclass('a')") is None
    await bootstrap(source_pool, "toy", TWO)


@pytest.mark.parametrize(
    "sql", [TWO.replace("(1)", "(2)"), "--- 1: first\ncreate table a (x int);\n"], ids=["edited", "older"]
)
async def test_another_history_fail(source_pool: Any, sql: str) -> None:
    await bootstrap(source_pool, "toy", TWO)
    with pytest.raises(DefinitionError):
        await bootstrap(source_pool, "toy", sql)
