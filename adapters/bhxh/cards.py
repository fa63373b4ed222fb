"""Health-insurance cards. Rule: one person, at most one valid card; a child under six has one from birth, free of charge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from adapters.bhxh.numbers import card_number, insurance_number
from adapters.people import today
from adapters.people.identifiers import Sex
from adapters.sdk import Call, Conflict, Connection, JsonObject, Refused

CHILD, HOUSEHOLD = "TE", "GD"
_LEVELS = {CHILD: 1, HOUSEHOLD: 4}
_INSURED = "select * from bhxh.insured where person_id = $1 for update"
_NEW = """
    insert into bhxh.insured (insurance_number, person_id, full_name, sex, birth_date, status, as_of)
    values ($1, $2, $3, $4, $5, 'Chưa tham gia', $6) on conflict (person_id) do nothing
"""
_CARD = """
    insert into bhxh.health_card (card_number, person_id, facility, valid_from, valid_to) values ($1, $2, $3, $4, $5)
    on conflict (card_number) do update
    set facility = excluded.facility, valid_from = excluded.valid_from, valid_to = excluded.valid_to, cancelled = false
    returning *
"""
_VALID = "select true from bhxh.health_card where person_id = $1 and not cancelled and valid_to >= $2"
_FREE = "select nextval('bhxh.insurance_order')"


def child_until(birth: date) -> date:
    """A child's card holds until it is 72 months old; when it then does not go to school yet, until 30 September of that year
    (decree 146/2018, article 13)."""
    year = birth.year + 6
    sixth = date(year, birth.month, min(birth.day, 28) if birth.month == 2 else birth.day)
    return max(sixth - timedelta(days=1), date(year, 9, 30))


async def issue_card(call: Call, connection: Connection) -> JsonObject:
    body = call.body
    if body["birth_date"] > today():
        raise Refused("Ngày sinh ở tương lai (the birth date is in the future)", code="future_date")
    body["id"].verify_holder(sex=Sex(body["sex"]), birth_date=body["birth_date"])
    until = child_until(body["birth_date"])
    if body["group"] == CHILD and until < today():
        raise Refused("Thẻ này chỉ cho trẻ dưới 6 tuổi (this card is for children under six)", code="not_eligible")
    row = await _insured(connection, body)
    if row["status"] == "Đã mất":
        raise Conflict("Người này đã mất (this person is deceased)", code="deceased")
    if await connection.fetchval(_VALID, str(body["id"]), today()):
        raise Conflict("Đã có thẻ còn hạn (there is a valid card)", code="card_exists")
    begins = body["birth_date"] if body["group"] == CHILD else today()
    ends = until if body["group"] == CHILD else today() + timedelta(days=364)
    number = card_number(body["group"], _LEVELS[body["group"]], row["insurance_number"])
    card = await connection.fetchrow(_CARD, number, str(body["id"]), body["facility"], begins, ends)
    return card_record({**row, **card})


async def _insured(connection: Connection, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The person's row, locked; made when there is none. A name or date that differs is for people to look at."""
    number = insurance_number(await connection.fetchval(_FREE))
    named = (str(body["id"]), body["full_name"], body["sex"], body["birth_date"])
    await connection.execute(_NEW, number, *named, today())
    row: Mapping[str, Any] = await connection.fetchrow(_INSURED, str(body["id"]))
    if (row["full_name"], row["birth_date"]) != (body["full_name"], body["birth_date"]):
        raise Conflict(
            "Họ tên hoặc ngày sinh khác dữ liệu đã có (name or birth date differ from what is recorded)",
            code="differs_from_record",
        )
    return row


def card_record(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "id": row["person_id"],
        "card_number": row["card_number"],
        "insurance_number": row["insurance_number"],
        "full_name": row["full_name"],
        "birth_date": row["birth_date"].isoformat(),
        "sex": row["sex"],
        "facility": row["facility"],
        "valid_from": row["valid_from"].isoformat(),
        "valid_to": row["valid_to"].isoformat(),
    }
