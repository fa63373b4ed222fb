"""Invented entries of the shared population: births, marriages, deaths since the books are electronic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta

from adapters.hotich.book import BIRTH, DEATH, MARRIAGE, entry_number
from adapters.people.dice import Dice
from adapters.people.drafts import TODAY
from adapters.people.generator import CITIZENS, generate
from adapters.people.generator import VERSION as POPULATION
from adapters.people.identifiers import Sex
from adapters.people.model import MARRIED, Person
from adapters.sdk import Rows

VERSION = f"{POPULATION}-hotich-2"
_ELECTRONIC_SINCE = 2000

_BIRTH = (
    "number", "registered_on", "office", "child_name", "sex", "birth_date", "birth_place", "ethnicity", "child_id", "mother_id",
    "father_id",
)  # fmt: skip
_MARRIAGE = ("number", "registered_on", "office", "husband_id", "husband_name", "wife_id", "wife_name", "ended_on")
_DEATH = ("number", "registered_on", "office", "person_id", "full_name", "death_date", "death_place")


class _Books:
    """The next number of each book."""

    def __init__(self) -> None:
        self.last: Counter[tuple[str, int]] = Counter()

    def number(self, letters: str, day: date) -> str:
        self.last[letters, day.year] += 1
        return entry_number(letters, day.year, self.last[letters, day.year])


def invented(citizens: int = CITIZENS) -> Sequence[Rows]:
    """The tables' rows, the same for the same number of citizens."""
    persons = generate(citizens).persons
    by_id = {person.id: person for person in persons}
    books = _Books()
    births = [_birth(p, books) for p in persons if p.birth_date.year >= _ELECTRONIC_SINCE]
    wives = [p for p in persons if p.sex is Sex.FEMALE and p.spouse_id in by_id]
    marriages = [_marriage(wife, by_id[str(wife.spouse_id)], books) for wife in wives]
    deaths = [_death(p, p.death_date, books) for p in persons if p.death_date is not None]
    last = [(letters, year, number) for (letters, year), number in sorted(books.last.items())]
    return (
        Rows("hotich.birth", _BIRTH, births),
        Rows("hotich.marriage", _MARRIAGE, marriages),
        Rows("hotich.death", _DEATH, deaths),
        Rows("hotich.book", ("letters", "year", "last"), last),
    )


def _birth(child: Person, books: _Books) -> tuple[object, ...]:
    registered = min(child.birth_date + timedelta(days=Dice(int(child.id)).number(1, 55)), TODAY)
    return (
        books.number(BIRTH, registered), registered, _office(child.birth_place), child.full_name, child.sex.value, child.birth_date,
        child.birth_place, child.ethnicity, child.id, child.mother_id, child.father_id,
    )  # fmt: skip


def _marriage(wife: Person, husband: Person, books: _Books) -> tuple[object, ...]:
    """In the year in which both were of age, or a few years later."""
    dice = Dice(int(wife.id))
    year = max(wife.birth_date.year + 19, husband.birth_date.year + 21) + dice.number(0, 4)
    day = min(date(year, dice.number(1, 12), dice.number(1, 28)), TODAY)
    ended = min((p.death_date for p in (wife, husband) if p.death_date is not None), default=None)
    if ended is not None:
        ended = max(ended, day)
    elif wife.marital_status != MARRIED:
        ended = TODAY
    return (
        books.number(MARRIAGE, day), day, _office(wife.birth_place), husband.id, husband.full_name, wife.id, wife.full_name, ended,
    )  # fmt: skip


def _death(person: Person, died: date, books: _Books) -> tuple[object, ...]:
    registered = min(died + timedelta(days=Dice(int(person.id)).number(1, 14)), TODAY)
    return (
        books.number(DEATH, registered), registered, _office(person.permanent.text), person.id, person.full_name, died,
        person.permanent.text,
    )  # fmt: skip


def _office(place: str) -> str:
    """The people's committee of the commune that a place names."""
    commune = next((piece for piece in place.split(", ") if piece.startswith(("Phường", "Xã"))), place)
    return f"UBND {commune}"
