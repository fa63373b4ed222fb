"""Invented insurance records of the shared population. Each person's records depend on nobody else's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from adapters.bhxh.numbers import card_number, insurance_number
from adapters.people.dice import Dice
from adapters.people.drafts import TODAY
from adapters.people.generator import CITIZENS, generate
from adapters.people.generator import VERSION as POPULATION
from adapters.people.model import DECEASED, Person
from adapters.sdk import Rows

VERSION = f"{POPULATION}-bhxh-2"

_EMPLOYERS = (
    "Công ty cổ phần Dệt may Sao Mai", "Công ty TNHH Cơ khí Bờ Kè", "Hợp tác xã Lúa Vàng", "Công ty cổ phần Thủy sản Vân Hải",
    "Trường Tiểu học Hoa Sữa", "Bệnh viện Đa khoa Long Thạnh", "Công ty TNHH Điện tử An Khánh", "Ngân hàng Cây Đa",
    "Ủy ban nhân dân phường Tân Lập", "Công ty vận tải Ven Sông",
)  # fmt: skip
_FACILITIES = (
    "Bệnh viện Đa khoa Long Thạnh",
    "Trạm y tế phường Tân Lập",
    "Trung tâm y tế Vân Hải",
    "Trạm y tế xã Yên Thái",
)
_VOLUNTARY = "Tự đóng"
_MONTH_NOW = TODAY.year * 12 + TODAY.month - 1
_INSURED = ("insurance_number", "person_id", "full_name", "sex", "birth_date", "scheme", "status", "as_of")
_CONTRIBUTION = ("insurance_number", "position", "from_month", "to_month", "employer", "salary_vnd")
_CARD = ("card_number", "person_id", "facility", "valid_from", "valid_to")
_PENSION_AGE, _PENSION_MONTHS = 61, 15 * 12


@dataclass(frozen=True, slots=True)
class Period:
    """Months as year * 12 + month - 1, both included; `end`: None while it goes on."""

    start: int
    end: int | None
    employer: str
    salary: int

    @property
    def months(self) -> int:
        return (_MONTH_NOW if self.end is None else self.end) - self.start + 1


def invented(citizens: int = CITIZENS) -> Sequence[Rows]:
    """The tables' rows, the same for the same number of citizens and a beginning of those of a larger one."""
    insured: list[tuple[object, ...]] = []
    contributions: list[tuple[object, ...]] = []
    cards: list[tuple[object, ...]] = []
    for order, person in enumerate(generate(citizens).persons, start=1):
        number, dice = insurance_number(order), Dice(int(person.id))
        periods = _history(person, dice)
        status, scheme = _status(person, periods)
        insured.append(
            (number, person.id, person.full_name, person.sex.value, person.birth_date, scheme, status, person.as_of)
        )
        for at, p in enumerate(periods, start=1):
            contributions.append((number, at, _first(p.start), _first_or_none(p.end), p.employer, p.salary))
        cards += _cards(person, number, status, dice)
    return (
        Rows("bhxh.insured", _INSURED, insured),
        Rows("bhxh.contribution", _CONTRIBUTION, contributions),
        Rows("bhxh.health_card", _CARD, cards),
    )


def _history(person: Person, dice: Dice) -> list[Period]:
    """Three in four adults have worked for a salary, from the age of 19 to 25, with gaps, to 61 at most."""
    last = min(_MONTH_NOW, (person.birth_date.year + _PENSION_AGE) * 12)
    if person.death_date is not None:
        last = min(last, person.death_date.year * 12 + person.death_date.month - 1)
    at = max((person.birth_date.year + dice.number(19, 25)) * 12 + dice.number(0, 11), 1995 * 12)
    if not dice.chance(75):
        return []
    periods: list[Period] = []
    salary, employer = dice.number(30, 60) * 100_000, dice.pick(_EMPLOYERS)
    while at < last - 3:
        end = at + dice.number(11, 35)
        goes_on = end >= last and last == _MONTH_NOW
        periods.append(Period(at, None if goes_on else min(end, last), employer, salary))
        at = end + 1 + (dice.number(2, 14) if dice.chance(25) else 0)
        salary = min(salary * dice.number(103, 118) // 100 // 1000 * 1000, 46_800_000)
        if dice.chance(30):
            employer = _VOLUNTARY if dice.chance(15) else dice.pick(_EMPLOYERS)
    return periods


def _status(person: Person, periods: Sequence[Period]) -> tuple[str, str | None]:
    scheme = None if not periods else "Tự nguyện" if periods[-1].employer == _VOLUNTARY else "Bắt buộc"
    if person.status == DECEASED:
        return "Đã mất", scheme
    if not periods:
        return "Chưa tham gia", None
    if TODAY.year - person.birth_date.year > _PENSION_AGE and sum(p.months for p in periods) >= _PENSION_MONTHS:
        return "Hưởng lương hưu", scheme
    return ("Đang đóng" if periods[-1].end is None else "Bảo lưu"), scheme


def _cards(person: Person, number: str, status: str, dice: Dice) -> Iterator[tuple[object, ...]]:
    """One card, valid through the year; one in twelve adults without work has none."""
    age = TODAY.year - person.birth_date.year
    facility = dice.pick(_FACILITIES)
    if person.status == DECEASED:
        return
    if age < 6:
        card, until = card_number("TE", 1, number), date(person.birth_date.year + 6, 9, 30)
        yield card, person.id, facility, person.birth_date, until
        return
    match status:
        case "Hưởng lương hưu":
            group, level = "HT", 3
        case "Đang đóng":
            group, level = "DN", 4
        case _ if age < 22:
            group, level = "HS", 4
        case _:
            group, level = "GD", 4
    if group != "GD" or not dice.chance(8):
        yield card_number(group, level, number), person.id, facility, date(TODAY.year, 1, 1), date(TODAY.year, 12, 31)


def _first(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


def _first_or_none(month: int | None) -> date | None:
    return None if month is None else _first(month)
