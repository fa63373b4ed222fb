import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable

import pytest

from adapters.people.drafts import TODAY
from adapters.people.generator import VERSION, Population, generate
from adapters.people.identifiers import Sex, parse_personal_number
from adapters.people.model import ALIVE, DECEASED, HEAD, MARRIED, WIDOWED, Person

# Made by this project. Another value means other people: then VERSION changes too.
GOLDEN = ("2026.2", "1ec956ae41ffb427a1e77b642a7f86a098cdc36428b8adafd121530c089c4265")


@pytest.fixture(scope="module")
def people() -> Population:
    return generate(50_000)


def fingerprint(persons: Iterable[Person]) -> str:
    lines = [
        "|".join(
            [
                p.id, p.full_name, p.sex.value, p.birth_date.isoformat(), p.birth_place, p.ethnicity, p.religion or "",
                p.marital_status, p.permanent.text, p.current.text, p.household_code or "", p.father_id or "",
                p.mother_id or "", p.spouse_id or "", p.status, str(p.death_date), ",".join(p.previous_ids), str(p.as_of),
            ]
        )
        for p in persons
    ]  # fmt: skip
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_the_first_thousand_are_always_the_same(people: Population) -> None:
    assert (VERSION, fingerprint(people.persons[:1000])) == GOLDEN


def test_a_smaller_population_begins_the_larger_one(people: Population) -> None:
    small = generate(300)
    assert small.persons == people.persons[: len(small.persons)]
    assert small.households == people.households[: len(small.households)]


def test_another_seed_gives_other_people() -> None:
    assert generate(300, seed=1).persons[4:] != generate(300).persons[4:]


def test_enough_people_each_with_an_own_number(people: Population) -> None:
    ids = {p.id for p in people.persons}
    assert len(ids) == len(people.persons) >= 50_000
    assert {i[:3] for i in ids} == {"999"}
    cards = [card for p in people.persons for card in p.previous_ids]
    assert len(set(cards)) == len(cards) > 5_000
    assert all(card.startswith("99") and len(card) == 9 for card in cards)


def test_numbers_say_sex_and_birth_year(people: Population) -> None:
    for p in people.persons:
        parse_personal_number(p.id).verify_holder(sex=p.sex, birth_date=p.birth_date)
    assert 0.48 < sum(p.sex is Sex.FEMALE for p in people.persons) / len(people.persons) < 0.53


def test_the_woman_of_the_demonstration() -> None:
    [woman] = [p for p in generate(1).persons if p.id == "999300000017"]
    assert (woman.sex, woman.birth_date.year, woman.status) == (Sex.FEMALE, 2000, ALIVE)


def test_households(people: Population) -> None:
    by_id = {p.id: p for p in people.persons}
    assert {len(h.members) for h in people.households} == {1, 2, 3, 4, 5, 6}
    assert len({h.code for h in people.households}) == len(people.households)
    for h in people.households:
        assert [m.relation for m in h.members].count(HEAD) == 1
        assert h.members[0].relation == HEAD
        assert all(by_id[m.id].household_code == h.code and by_id[m.id].full_name == m.full_name for m in h.members)
    members = Counter(m.id for h in people.households for m in h.members)
    assert set(members.values()) == {1}
    assert members.keys() == {p.id for p in people.persons if p.status == ALIVE}


def test_relatives(people: Population) -> None:
    by_id = {p.id: p for p in people.persons}
    for p in people.persons:
        if p.father_id is not None:
            father = by_id[p.father_id]
            assert father.sex is Sex.MALE
            assert 17 <= p.birth_date.year - father.birth_date.year <= 60
            assert p.full_name.split()[0] == father.full_name.split()[0]
        if p.mother_id is not None:
            mother = by_id[p.mother_id]
            assert mother.sex is Sex.FEMALE
            assert 18 <= p.birth_date.year - mother.birth_date.year <= 42
        if p.spouse_id is not None:
            spouse = by_id[p.spouse_id]
            assert spouse.spouse_id == p.id
            assert {spouse.sex, p.sex} == {Sex.MALE, Sex.FEMALE}
            assert p.marital_status in (MARRIED, WIDOWED)
            assert (p.marital_status == WIDOWED) == (spouse.status == DECEASED and p.status == ALIVE)


def test_records_are_plausible(people: Population) -> None:
    for p in people.persons:
        assert p.birth_date <= p.as_of <= TODAY
        assert (p.status == DECEASED) == (p.death_date is not None) == (p.household_code is None)
        assert p.death_date is None or p.birth_date < p.death_date <= p.as_of
        assert unicodedata.is_normalized("NFC", p.full_name + p.permanent.text + p.current.text)
        assert 2 <= len(p.full_name.split()) <= 5
