"""Notices about people of the invented population, as a hospital might write them. The same dice give the same notices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from adapters.people.clock import VIETNAM
from adapters.people.dice import Dice
from adapters.people.identifiers import Sex
from adapters.people.model import ALIVE, Person
from adapters.yte.notices import BirthNotice, DeathNotice

_MOTHERS = range(18, 46)
_GIVEN = ("An", "Bình", "Chi", "Dương", "Giang", "Hà", "Khánh", "Linh", "Minh", "Ngọc", "Phúc", "Thảo")


def invent_birth(
    people: Sequence[Person], facility: str, now: datetime, dice: Dice, mother_id: str | None = None
) -> BirthNotice:
    """A child of a living couple, born within the last three days; of that mother, married or not, when one is named. ValueError
    when `people` have nobody like that."""
    by_id = {person.id: person for person in people}
    mothers = [p for p in people if _can_bear(p, now) and p.spouse_id in by_id and by_id[p.spouse_id].status == ALIVE]
    if mother_id is not None:
        mothers = [p for p in people if p.id == mother_id and _can_bear(p, now)]
    if not mothers:
        raise ValueError("nobody here can have a child")
    mother = dice.pick(mothers)
    father = by_id.get(mother.spouse_id or "")
    return BirthNotice(
        facility=facility,
        number=_number("CS", facility, now, dice),
        born_at=_recently(now, dice),
        sex=dice.pick((Sex.MALE, Sex.FEMALE)),
        weight=dice.number(2400, 4200),
        planned_name=f"{(father or mother).full_name.split()[0]} {dice.pick(_GIVEN)} {dice.pick(_GIVEN)}",
        mother_name=mother.full_name,
        mother_id=mother.id,
        father_name=None if father is None else father.full_name,
        father_id=None if father is None else father.id,
    )


def invent_death(
    people: Sequence[Person], facility: str, now: datetime, dice: Dice, person_id: str | None = None
) -> DeathNotice:
    """Somebody old who is still alive in the register, or the one who is named. ValueError when there is nobody."""
    living = sorted((p for p in people if p.status == ALIVE), key=lambda p: p.birth_date)
    if person_id is not None:
        living = [p for p in living if p.id == person_id]
    if not living:
        raise ValueError("nobody here is alive")
    deceased = dice.pick(living[: max(1, len(living) // 10)])
    return DeathNotice(
        facility, _number("BT", facility, now, dice), _recently(now, dice), deceased.full_name, deceased.id
    )


def _can_bear(person: Person, now: datetime) -> bool:
    return person.sex is Sex.FEMALE and person.status == ALIVE and now.year - person.birth_date.year in _MOTHERS


def _recently(now: datetime, dice: Dice) -> datetime:
    return (now.astimezone(VIETNAM) - timedelta(minutes=dice.number(1, 3 * 24 * 60))).replace(second=0, microsecond=0)


def _number(letters: str, facility: str, now: datetime, dice: Dice) -> str:
    return f"{letters}-{facility}-{now.astimezone(VIETNAM).year}-{dice.number(0, 999_999):06}"
