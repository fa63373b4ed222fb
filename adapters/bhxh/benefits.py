"""Benefits after a death. Rule: one death, one decision, one payment, whoever claims it and however often.

Amounts (law 41/2024, articles 85 and 89, simplified): the funeral allowance is ten times the reference level; survivors get two
months' average salary for each year of contributions, three months at least. Who has paid for less than a year gets nothing, unless
there was a pension.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from adapters.people import today
from adapters.sdk import Call, Conflict, Connection, JsonObject, Refused

REFERENCE_VND = 2_340_000
_LEAST_MONTHS = 12
_INSURED = "select * from bhxh.insured where person_id = $1 for update"
_PERIODS = "select from_month, to_month, salary_vnd from bhxh.contribution where insurance_number = $1"
_DECIDED = """
    insert into bhxh.death_benefit (deceased_id, claim_number, claimant_id, death_date, death_registration, months,
        funeral_vnd, survivors_vnd, decided_on)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning *
"""


@dataclass(frozen=True, slots=True)
class Paid:
    """Months with contributions, and the sum of the salaries they were paid for, in VND."""

    months: int
    salaries: int


def paid_until(periods: Iterable[tuple[date, date | None, int]], death: date) -> Paid:
    """`periods`: first month, last month or None, salary. What lies after the month of death does not count."""
    last = death.year * 12 + death.month
    months = salaries = 0
    for begins, ends, salary in periods:
        first = begins.year * 12 + begins.month
        until = last if ends is None else min(last, ends.year * 12 + ends.month)
        counted = max(0, until - first + 1)
        months, salaries = months + counted, salaries + counted * salary
    return Paid(months, salaries)


def survivors_vnd(paid: Paid) -> int:
    """Whole VND; zero without contributions."""
    if not paid.months:
        return 0
    return paid.salaries * max(3, 2 * (paid.months // 12)) // paid.months


async def claim_death_benefit(call: Call, connection: Connection) -> JsonObject:
    """The decision; contributions end with the month of death, cards with the day."""
    body = call.body
    deceased, died = str(body["deceased_id"]), body["death_date"]
    if died > today():
        raise Refused("Ngày mất ở tương lai (the death is in the future)", code="future_date")
    if body["claimant_id"] == body["deceased_id"]:
        raise Refused("Người mất không thể đề nghị (the deceased cannot claim)", code="impossible_claimant")
    row = await connection.fetchrow(_INSURED, deceased)
    if row is None:
        raise Refused("Không có người tham gia mang số này (no insured person has this number)", code="not_insured")
    if await connection.fetchval("select true from bhxh.death_benefit where deceased_id = $1", deceased):
        raise Conflict("Đã giải quyết trợ cấp cho người này (this benefit was decided)", code="already_claimed")
    if await connection.fetchval(
        "select true from bhxh.death_benefit where death_registration = $1", body["death_registration"]
    ):
        raise Conflict("Số đăng ký khai tử đã dùng (this registration was used)", code="registration_used")
    if died < row["birth_date"]:
        raise Refused("Ngày mất trước ngày sinh (the death is before the birth)", code="impossible_date")
    paid = paid_until([tuple(p) for p in await connection.fetch(_PERIODS, row["insurance_number"])], died)
    pensioner = row["status"] == "Hưởng lương hưu"
    if paid.months < _LEAST_MONTHS and not pensioner:
        raise Refused("Chưa đóng đủ 12 tháng (contributions of less than 12 months)", code="not_eligible")
    await _end(connection, row["insurance_number"], deceased, died)
    order = await connection.fetchval("select nextval('bhxh.claim_order')")
    decided = await connection.fetchrow(
        _DECIDED, deceased, f"TT-{today().year}-{order:06}", str(body["claimant_id"]), died, body["death_registration"],
        paid.months, 10 * REFERENCE_VND, survivors_vnd(paid), today(),
    )  # fmt: skip
    return benefit_record(decided)


async def _end(connection: Connection, number: str, deceased: str, died: date) -> None:
    month = died.replace(day=1)
    await connection.execute(
        "delete from bhxh.contribution where insurance_number = $1 and from_month > $2", number, month
    )
    await connection.execute(
        "update bhxh.contribution set to_month = $2 where insurance_number = $1 and (to_month is null or to_month > $2)",
        number,
        month,
    )
    await connection.execute(
        "update bhxh.insured set status = 'Đã mất', as_of = $2 where insurance_number = $1", number, today()
    )
    await connection.execute("update bhxh.health_card set cancelled = true where person_id = $1", deceased)


def benefit_record(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "claim_number": row["claim_number"],
        "deceased_id": row["deceased_id"],
        "claimant_id": row["claimant_id"],
        "death_date": row["death_date"].isoformat(),
        "months": row["months"],
        "funeral_vnd": row["funeral_vnd"],
        "survivors_vnd": row["survivors_vnd"],
        "decided_on": row["decided_on"].isoformat(),
    }
