"""Numbers of entries, and what every kind of entry shares. Rule: the numbers of a book follow each other without gaps."""

from __future__ import annotations

import re
from datetime import date

from adapters.sdk import Connection, InvalidIdentifier, Refused

BIRTH, MARRIAGE, DEATH, COPY = "KS", "KH", "KT", "TL"

_NUMBER = re.compile(r"(KS|KH|KT|TL)-[0-9]{4}-[0-9]{6}", re.ASCII)
_NEXT = """
    insert into hotich.book (letters, year, last) values ($1, $2, 1)
    on conflict (letters, year) do update set last = hotich.book.last + 1 returning last
"""


async def next_number(connection: Connection, letters: str, day: date) -> str:
    """`KS-2026-000123`. The book stays locked until the caller's transaction ends: entries follow each other."""
    await lock_book(connection, letters)
    return entry_number(letters, day.year, await connection.fetchval(_NEXT, letters, day.year))


async def lock_book(connection: Connection, letters: str) -> None:
    """All years of it: around midnight of 31 December the same notice could otherwise be entered in two."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 15))", f"hotich.book {letters}")


def entry_number(letters: str, year: int, order: int) -> str:
    return f"{letters}-{year}-{order:06}"


def parse_entry_number(text: str) -> str:
    """InvalidIdentifier for what is no number of an entry or copy."""
    if not _NUMBER.fullmatch(text):
        raise InvalidIdentifier("Số đăng ký có dạng KS-2026-000001 (a number looks like KS-2026-000001)")
    return text


def not_in_the_future(now: date, day: date) -> None:
    if day > now:
        raise Refused("Ngày ở tương lai (the date is in the future)", code="future_date")
