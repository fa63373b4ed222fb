"""A whole population: the example family, then households until there are enough citizens.

A larger population begins with the smaller one, so what a test sees among two hundred is still there among fifty thousand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from adapters.people import example
from adapters.people.dice import Dice
from adapters.people.drafts import Registrar, address
from adapters.people.families import SHAPES, Family
from adapters.people.model import Household, Member, Person
from adapters.people.names import ETHNICITIES, RELIGIONS

CITIZENS = 50_000
SEED = 999
VERSION = "2026.2"  # changes whenever the same seed gives other people (a golden test notices)


@dataclass(frozen=True, slots=True)
class Population:
    version: str
    persons: tuple[Person, ...]
    households: tuple[Household, ...]


def generate(citizens: int = CITIZENS, seed: int = SEED) -> Population:
    """At least `citizens` people in whole families, the dead included."""
    persons: list[Person] = []
    households: list[Household] = []
    for household, people in _families(seed):
        households.append(household)
        persons += people
        if len(persons) >= citizens:
            break
    return Population(VERSION, tuple(persons), tuple(households))


def _families(seed: int) -> Iterator[tuple[Household, tuple[Person, ...]]]:
    yield example.HOUSEHOLD, example.PERSONS
    town = Registrar(Dice(seed))
    for person in example.PERSONS:
        town.reserve(person)
    order = 1
    while True:
        order += 1
        yield _settled(town, town.dice.weighted(SHAPES)(town), f"H999{order:08}")


def _settled(town: Registrar, family: Family, code: str) -> tuple[Household, tuple[Person, ...]]:
    """Gives a family its home and what it shares."""
    dice = town.dice
    ethnicity, religion, permanent = dice.weighted(ETHNICITIES), dice.weighted(RELIGIONS), address(dice)
    current = permanent if dice.chance(88) else address(dice)
    persons = tuple(
        draft.finished(ethnicity=ethnicity, religion=religion, permanent=permanent, current=current, code=code)
        for draft in [*(member for member, _ in family.members), *family.others]
    )
    members = tuple(Member(str(draft.number), draft.full_name, relation) for draft, relation in family.members)
    return Household(code, permanent, members, max(person.as_of for person in persons)), persons
