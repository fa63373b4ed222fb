"""The services that one security server answers itself, from its settings; what monitoring reads of them."""

from __future__ import annotations

from collections.abc import Iterable

import asyncpg
from prometheus_client import CollectorRegistry

from gateway.app.listeners import clock
from gateway.messagelog.accesskeys import AccessKeyStore
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.sealedtexts import SealedTexts
from gateway.messagelog.sealing import Seal
from gateway.monitoring.health import Health
from gateway.monitoring.inquiries import InquiriesCollector, InquiriesReading, to_answer
from gateway.ownservices.inquiries import INQUIRIES, InquiryBox
from gateway.ownservices.inquirystore import InquiryStore
from gateway.ownservices.port import OwnService
from gateway.ownservices.usage import USAGE, FindUsage, Words
from gateway.settings.clients import ServiceSettings
from gateway.settings.codes import load_codes
from gateway.settings.contracts import ContractSettings
from gateway.settings.loader import load
from gateway.settings.server import ServerSettings
from gateway.storage.accessrecords import nothing_sealed
from gateway.storage.database import Database


def own_services(
    settings: ServerSettings, pool: asyncpg.Pool, official_key: bytes, source: KeySource | None, box: InquiryBox
) -> dict[str, OwnService]:
    """By URL. `source`: the keys of its message log. SettingsError when a contract's code list cannot be read."""
    services = [service for client in settings.clients for service in client.services]
    if not any(service.own for service in services):
        return {}
    keys = nothing_sealed if source is None else AccessKeyStore(pool, source).current
    find = FindUsage(pool, str(settings.server), _purposes(services), official_key, keys)
    return {USAGE: find, INQUIRIES: box}


async def inquiry_box(database: Database, source: KeySource | None, seal: Seal | None) -> InquiryBox:
    """`source`, `seal`: of the message log, None when nothing in it is sealed. What stands in clear from before is sealed first."""
    texts = None if source is None or seal is None else SealedTexts(database.pool, source, seal)
    store = InquiryStore(database.pool, clock, texts)
    async with database.owner() as owner:
        await store.seal_what_is_clear(owner)
    return InquiryBox(store)


def takes_inquiries(settings: ServerSettings) -> bool:
    return any(service.url == INQUIRIES for client in settings.clients for service in client.services)


def watch_inquiries(box: InquiryBox, registry: CollectorRegistry, health: Health) -> None:
    def read() -> InquiriesReading:
        return InquiriesReading(box.standing.open, box.standing.overdue)

    registry.register(InquiriesCollector(read))
    health.register("inquiries", lambda _: to_answer(read()))


def _purposes(services: Iterable[ServiceSettings]) -> Words:
    """Of all code lists that contracts of this server use."""
    contracts = {service.contract for service in services if service.contract is not None}
    lists = {load(path, ContractSettings).codes for path in sorted(contracts)}
    return {
        code: {"vi": purpose.vi, "en": purpose.en}
        for path in sorted(lists)
        for code, purpose in load_codes(path).purposes.items()
    }
