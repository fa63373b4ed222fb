"""The look-ups of social insurance, and the adapter that holds all its endpoints together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from adapters.bhxh.benefits import benefit_record, claim_death_benefit
from adapters.bhxh.cards import card_record, issue_card
from adapters.bhxh.numbers import parse_cursor, parse_insurance_number, print_cursor
from adapters.bhxh.seed import VERSION, invented
from adapters.people.generator import CITIZENS
from adapters.people.identifiers import parse_person_name, parse_personal_number
from adapters.sdk import Adapter, Call, Effect, Endpoint, JsonObject, NotFound, Pool, seed_once

_INSURED = "select * from bhxh.insured where person_id = $1"
_CARD = """
    select c.*, i.insurance_number, i.full_name, i.birth_date, i.sex from bhxh.health_card c
    join bhxh.insured i on i.person_id = c.person_id
    where c.person_id = $1 and not c.cancelled order by c.valid_to desc, c.valid_from desc limit 1
"""
_PAGE = """
    select c.* from bhxh.contribution c join bhxh.insured i using (insurance_number)
    where i.person_id = $1 and c.position > $2 order by c.position limit $3
"""
_BENEFIT = "select * from bhxh.death_benefit where deceased_id = $1"


class InsuranceService:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def participant(self, call: Call) -> JsonObject:
        row = await self._insured(call)
        return {
            "id": row["person_id"],
            "insurance_number": row["insurance_number"],
            "full_name": row["full_name"],
            "sex": row["sex"],
            "birth_date": row["birth_date"].isoformat(),
            "scheme": row["scheme"],
            "status": row["status"],
            "as_of": row["as_of"].isoformat(),
        }

    async def contributions(self, call: Call) -> JsonObject:
        """By position, which only grows: a page that was read stays the same when a newer period is added."""
        await self._insured(call)
        limit = call.query["limit"]
        rows = await self._pool.fetch(_PAGE, str(call.path["id"]), call.query.get("cursor", 0), limit + 1)
        page = rows[:limit]
        return {
            "items": [_period(row) for row in page],
            "next": print_cursor(page[-1]["position"]) if len(rows) > limit else None,
        }

    async def card(self, call: Call) -> JsonObject:
        row = await self._pool.fetchrow(_CARD, str(call.path["id"]))
        if row is None:
            raise NotFound("Không có thẻ bảo hiểm y tế (no health-insurance card)")
        return card_record(row)

    async def death_benefit(self, call: Call) -> JsonObject:
        row = await self._pool.fetchrow(_BENEFIT, str(call.path["id"]))
        if row is None:
            raise NotFound("Chưa có quyết định trợ cấp (no benefit was decided)")
        return benefit_record(row)

    async def _insured(self, call: Call) -> Mapping[str, Any]:
        row: Mapping[str, Any] | None = await self._pool.fetchrow(_INSURED, str(call.path["id"]))
        if row is None:
            raise NotFound("Không có người tham gia mang số này (no insured person has this number)")
        return row


def _period(row: Mapping[str, Any]) -> JsonObject:
    return {
        "from_month": f"{row['from_month']:%Y-%m}",
        "to_month": None if row["to_month"] is None else f"{row['to_month']:%Y-%m}",
        "employer": row["employer"],
        "salary_vnd": row["salary_vnd"],
    }


def _endpoints(pool: Pool) -> tuple[Endpoint | Effect, ...]:
    service = InsuranceService(pool)
    return (
        Endpoint("GET", "/v1/participants/{id}", service.participant),
        Endpoint("GET", "/v1/participants/{id}/contributions", service.contributions),
        Endpoint("GET", "/v1/health-cards/{id}", service.card),
        Effect("POST", "/v1/health-cards", issue_card),
        Endpoint("GET", "/v1/death-benefits/{id}", service.death_benefit),
        Effect("POST", "/v1/death-benefits", claim_death_benefit),
    )


def build_adapter(citizens: int = CITIZENS) -> Adapter:
    """The adapter with invented records of so many citizens, made when its database is still empty."""

    async def prepare(pool: Pool, log: FilteringBoundLogger) -> None:
        await seed_once(pool, VERSION, partial(invented, citizens), log)

    return Adapter(
        name="bhxh",
        folder=Path(__file__).parent,
        endpoints=_endpoints,
        formats={
            "vn-personal-number": parse_personal_number,
            "person-name": parse_person_name,
            "vn-social-insurance-number": parse_insurance_number,
            "bhxh-cursor": parse_cursor,
        },
        prepare=prepare,
    )
