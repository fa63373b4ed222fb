"""A hospital for tests: its authority, its key, and the ministry's store of its notices, as a source that a register asks."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from adapters.hotich.notices import BIRTH, DEATH, DIRECT, Notices
from adapters.people.example import PERSONS
from adapters.people.identifiers import Sex
from adapters.sdk.signedxml import TrustList, trust_list
from adapters.sdk.sources import Record
from adapters.yte.notices import BirthNotice, DeathNotice, Notice, print_notice
from adapters.yte.signing import FacilityKey, sign_notice
from certs.generate import facility_subject
from gateway.trust.authority import Authority, create_root, named, validity
from tests.support.source import in_use

SINCE = datetime.now(UTC) - timedelta(days=1)
FACILITY = "79001"
BORN_AT = datetime.fromisoformat("2026-10-20T08:30:00+07:00")
_FATHER, _DAUGHTER = PERSONS[0], PERSONS[2]


@cache
def facilities_authority() -> Authority:
    return Authority(create_root(named("Test facilities"), validity(SINCE, years=1)), lambda _: None)


@cache
def facilities() -> TrustList:
    return trust_list([facilities_authority().identity.certificate])


@cache
def facility_key(code: str = FACILITY, authority: Authority | None = None) -> FacilityKey:
    issuer = authority or facilities_authority()
    identity = issuer.issue_signing(facility_subject(code), validity(SINCE, years=0.5), None)
    return FacilityKey(identity.key, identity.certificate)


def a_birth(number: str = "CS-79001-2026-000815", facility: str = FACILITY, **other: str | None) -> BirthNotice:
    """Of the example family's daughter, a boy."""
    return BirthNotice(
        facility=facility,
        number=number,
        born_at=BORN_AT,
        sex=Sex.MALE,
        weight=3200,
        planned_name="Nguyễn Gia Bảo",
        mother_name=_DAUGHTER.full_name,
        mother_id=_DAUGHTER.id,
        father_name=other.get("father_name"),
        father_id=other.get("father_id"),
    )


def a_death(number: str = "BT-79001-2026-000102") -> DeathNotice:
    """Of the example family's father."""
    return DeathNotice(FACILITY, number, BORN_AT, _FATHER.full_name, _FATHER.id)


def signed(notice: Notice, key: FacilityKey | None = None) -> bytes:
    return sign_notice(print_notice(notice), key or facility_key(), datetime.now(UTC) - timedelta(hours=1))


class Ministry:
    """Has a good notice for every number, unless a test sent another one (or None) under it. `asked`: every number; `pool`: of the
    register that asks, `held`: how many of its connections it held then."""

    def __init__(self) -> None:
        self.sent: dict[str, bytes | None] = {}
        self.asked: list[str] = []
        self.away: Exception | None = None
        self.pool: Any = None
        self.held: list[int] = []

    async def find(self, key: str) -> Record | None:
        self.asked.append(key)
        if self.pool is not None:
            self.held.append(in_use(self.pool))
        if self.away is not None:
            raise self.away
        if key not in self.sent:
            self.sent[key] = signed(a_birth(key) if key.startswith("CS-") else a_death(key))
        document = self.sent[key]
        return None if document is None else {"number": key, "document": b64encode(document).decode()}


def notices(ministry: Ministry | None = None) -> Notices:
    return Notices(dict.fromkeys((DIRECT, BIRTH, DEATH), ministry or Ministry()), facilities())
