"""People while their family is being made up: relations are objects until every number is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from adapters.people.dice import Dice
from adapters.people.identifiers import PersonalNumber, Sex, personal_number
from adapters.people.model import ALIVE, DECEASED, SINGLE, Address, Person
from adapters.people.names import GIVEN, MIDDLE, SURNAMES
from adapters.people.places import COMMUNES, PROVINCES, STREETS

TODAY = date(2026, 10, 1)  # of the generated world: nobody is born and nothing confirmed later
_CONFIRMED_SINCE = date(2025, 7, 1)  # the provinces of two levels
_ID_CARDS_UNTIL = 1998  # whoever was 14 when the nine-digit cards still were issued


@dataclass(slots=True, eq=False)
class Draft:
    number: PersonalNumber
    surname: str
    full_name: str
    birth_date: date
    birth_place: str
    previous_ids: tuple[str, ...]
    as_of: date
    marital_status: str = SINGLE
    death_date: date | None = None
    father: Draft | None = None
    mother: Draft | None = None
    spouse: Draft | None = None

    @property
    def year(self) -> int:
        return self.birth_date.year

    def finished(
        self, *, ethnicity: str, religion: str | None, permanent: Address, current: Address, code: str
    ) -> Person:
        """`code`: of the household, which the dead have none of."""
        self.number.verify_holder(sex=self.number.sex, birth_date=self.birth_date)
        return Person(
            number=self.number,
            full_name=self.full_name,
            birth_date=self.birth_date,
            birth_place=self.birth_place,
            nationality="Việt Nam",
            ethnicity=ethnicity,
            religion=religion,
            marital_status=self.marital_status,
            permanent=permanent,
            current=current,
            household_code=code if self.death_date is None else None,
            father_id=_id(self.father),
            mother_id=_id(self.mother),
            spouse_id=_id(self.spouse),
            status=ALIVE if self.death_date is None else DECEASED,
            death_date=self.death_date,
            previous_ids=self.previous_ids,
            as_of=max(self.as_of, self.death_date or self.as_of),
        )


def _id(draft: Draft | None) -> str | None:
    return None if draft is None else str(draft.number)


class Registrar:
    """Gives each newcomer a name, a birthday and a number that nobody has."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self._numbers: set[PersonalNumber] = set()
        self._cards: set[str] = set()

    def reserve(self, person: Person) -> None:
        """Nobody else gets this person's numbers."""
        self._numbers.add(person.number)
        self._cards.update(person.previous_ids)

    def newcomer(self, sex: Sex, year: int, surname: str | None = None) -> Draft:
        """`surname`: the father's, when he is known."""
        dice = self.dice
        birth = dice.day_between(date(year, 1, 1), min(date(year, 12, 31), TODAY))
        family = surname or dice.weighted(SURNAMES)
        middle, given = dice.weighted(MIDDLE[sex]), dice.weighted(GIVEN[sex])
        while given in middle.split():
            given = dice.weighted(GIVEN[sex])
        return Draft(
            number=self._number(sex, year),
            surname=family,
            full_name=f"{family} {middle} {given}",
            birth_date=birth,
            birth_place=f"{commune(dice)}, {dice.weighted(PROVINCES)}",
            previous_ids=self._card() if year <= _ID_CARDS_UNTIL and dice.chance(40) else (),
            as_of=dice.day_between(max(birth, _CONFIRMED_SINCE), TODAY),
        )

    def _number(self, sex: Sex, year: int) -> PersonalNumber:
        while (number := personal_number(sex, year, self.dice.number(1, 999_999))) in self._numbers:
            pass
        self._numbers.add(number)
        return number

    def _card(self) -> tuple[str, ...]:
        """A nine-digit card number that begins with 99, which no province had."""
        while (card := f"99{self.dice.number(0, 9_999_999):07}") in self._cards:
            pass
        self._cards.add(card)
        return (card,)


def address(dice: Dice) -> Address:
    province = dice.weighted(PROVINCES)
    where = commune(dice)
    if where.startswith("Xã"):
        return Address(f"Thôn {dice.number(1, 12)}", where, province)
    return Address(f"Số {dice.number(1, 280)}, {dice.pick(STREETS)}", where, province)


def commune(dice: Dice) -> str:
    return f"{'Phường' if dice.chance(40) else 'Xã'} {dice.pick(COMMUNES)}"
