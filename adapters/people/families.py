"""Households by their shape: one function a shape, one row in `SHAPES`. Ages are such that they could be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from adapters.people.drafts import TODAY, Draft, Registrar
from adapters.people.identifiers import Sex
from adapters.people.model import DIVORCED, HEAD, MARRIED, SINGLE, WIDOWED
from adapters.people.names import SURNAMES

_OLDEST_ALIVE = 1934  # born earlier: no longer alive


@dataclass(slots=True)
class Family:
    """`members`: who lives there with the relation to the head, the head first; `others`: relatives that died."""

    members: list[tuple[Draft, str]] = field(default_factory=list)
    others: list[Draft] = field(default_factory=list)


def alone(town: Registrar) -> Family:
    dice = town.dice
    person = town.newcomer(dice.pick((Sex.MALE, Sex.FEMALE)), dice.number(1938, 2005))
    age = TODAY.year - person.year
    if age >= 60:
        person.marital_status = dice.weighted(((WIDOWED, 60), (DIVORCED, 15), (SINGLE, 25)))
    elif age >= 30:
        person.marital_status = dice.weighted(((DIVORCED, 35), (SINGLE, 65)))
    return Family([(person, HEAD)])


def couple(town: Registrar) -> Family:
    return _headed(town, *_married(town, town.dice.number(1945, 2003)))


def parents_and_children(town: Registrar) -> Family:
    husband, wife = _married(town, town.dice.number(1964, 2002))
    family = _headed(town, husband, wife)
    family.members += [
        (child, "Con") for child in _children(town, husband, wife, town.dice.weighted(((1, 4), (2, 5), (3, 1))))
    ]
    return family


def three_generations(town: Registrar) -> Family:
    dice = town.dice
    husband, wife = _married(town, dice.number(1968, 1998))
    family = _headed(town, husband, wife)
    in_law = "" if family.members[0][0] is husband else " chồng"
    for parent, word in zip(_parents(town, [husband]), ("Cha", "Mẹ"), strict=True):
        if parent.death_date is None:
            family.members.append((parent, word + in_law))
        else:
            family.others.append(parent)
    family.members += [(child, "Con") for child in _children(town, husband, wife, dice.number(1, 2))]
    return family


def one_parent(town: Registrar) -> Family:
    """Divorced (the other parent lives elsewhere and stays unnamed) or widowed."""
    dice = town.dice
    husband, wife = _married(town, dice.number(1968, 2000))
    children = _children(town, husband, wife, dice.number(1, 2))
    stays, goes = (wife, husband) if dice.chance(80) else (husband, wife)
    family = Family([(stays, HEAD), *((child, "Con") for child in children)])
    if dice.chance(50):
        stays.marital_status = WIDOWED
        goes.death_date = dice.day_between(max(child.birth_date for child in children), TODAY)
        family.others.append(goes)
    else:
        stays.marital_status, stays.spouse = DIVORCED, None
        for child in children:
            child.father, child.mother = (None, child.mother) if goes is husband else (child.father, None)
    return family


def siblings(town: Registrar) -> Family:
    dice = town.dice
    year = dice.number(1975, 2000)
    surname = dice.weighted(SURNAMES)
    brood = [
        town.newcomer(dice.pick((Sex.MALE, Sex.FEMALE)), year + 3 * order, surname)
        for order in range(dice.number(2, 3))
    ]
    father, mother = _parents(town, brood, both_dead=True)
    return Family([(brood[0], HEAD), *((younger, "Em") for younger in brood[1:])], [father, mother])


SHAPES: tuple[tuple[Callable[[Registrar], Family], int], ...] = (
    (alone, 11),
    (couple, 15),
    (parents_and_children, 46),
    (three_generations, 17),
    (one_parent, 8),
    (siblings, 3),
)


def _married(town: Registrar, wife_year: int) -> tuple[Draft, Draft]:
    dice = town.dice
    wife = town.newcomer(Sex.FEMALE, wife_year)
    husband = town.newcomer(Sex.MALE, min(wife_year - dice.number(-1, 8), 2004))
    husband.spouse, wife.spouse = wife, husband
    husband.marital_status = wife.marital_status = MARRIED
    return husband, wife


def _headed(town: Registrar, husband: Draft, wife: Draft) -> Family:
    return Family([(husband, HEAD), (wife, "Vợ")] if town.dice.chance(70) else [(wife, HEAD), (husband, "Chồng")])


def _children(town: Registrar, father: Draft, mother: Draft, count: int) -> list[Draft]:
    """Unmarried, at most 30 years old, the mother 19 to 40 at the birth, born in years at least two apart."""
    dice = town.dice
    year = dice.number(
        max(mother.year + 19, TODAY.year - 30), max(mother.year + 19, min(mother.year + 34, TODAY.year - 6))
    )
    children = []
    for _ in range(count):
        if year > min(mother.year + 40, TODAY.year):
            break
        child = town.newcomer(dice.pick((Sex.MALE, Sex.FEMALE)), year, father.surname)
        child.father, child.mother = father, mother
        children.append(child)
        year += dice.number(2, 4)
    return children


def _parents(town: Registrar, children: list[Draft], *, both_dead: bool = False) -> tuple[Draft, Draft]:
    """Father and mother of grown-up siblings; the mother was 20 to 34 at the first birth. At least one is alive, or none."""
    dice = town.dice
    mother = town.newcomer(Sex.FEMALE, children[0].year - dice.number(20, 34))
    father = town.newcomer(Sex.MALE, mother.year - dice.number(0, 6), children[0].surname)
    father.spouse, mother.spouse = mother, father
    father.marital_status = mother.marital_status = MARRIED
    for child in children:
        child.father, child.mother = father, mother
    since = max(date(1995, 1, 1), children[-1].birth_date)
    if both_dead or mother.year < _OLDEST_ALIVE:
        father.death_date, mother.death_date = dice.day_between(since, TODAY), dice.day_between(since, TODAY)
    elif father.year < _OLDEST_ALIVE or dice.chance(30):
        father.death_date, mother.marital_status = dice.day_between(since, TODAY), WIDOWED
    elif dice.chance(12):
        mother.death_date, father.marital_status = dice.day_between(since, TODAY), WIDOWED
    return father, mother
