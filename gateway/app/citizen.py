"""The citizens' portal as a process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import asyncpg
from prometheus_client import CollectorRegistry

from gateway.app.listeners import background, clock, listen_app
from gateway.app.sources import key_source
from gateway.citizen.delivery import Delivery, Exchange
from gateway.citizen.guard import Site
from gateway.citizen.idtoken import Expected
from gateway.citizen.inquiries import Deadlines, Inquiries
from gateway.citizen.lookups import Lookups
from gateway.citizen.oidc import Client, OpenIdProvider
from gateway.citizen.portal import Portal
from gateway.citizen.proofs import PublicLog
from gateway.citizen.records import Provider, RecordStore
from gateway.citizen.representation import Register, Representation
from gateway.citizen.service import build_citizen_app
from gateway.citizen.sessions import Sessions
from gateway.citizen.views import Dictionary
from gateway.citizen.watching import Probe, Probes
from gateway.core.errors import GatewayError
from gateway.core.workingdays import WorkingDays
from gateway.messagelog.accesskeys import AccessKeyStore
from gateway.messagelog.keysource import check_keys
from gateway.monitoring.admin import build_admin, require_loopback
from gateway.monitoring.citizen import IDENTITY, OWN_DATABASE, PUBLIC_LOG, PortalMetrics, reach, undelivered
from gateway.monitoring.health import Health
from gateway.monitoring.inquiries import InquiriesCollector, InquiriesReading, holidays, to_deliver
from gateway.monitoring.logs import Log, build_log, route_library_logs, where
from gateway.pages.failure import Report
from gateway.pages.words import LOCAL
from gateway.settings.citizen import (
    InquirySettings,
    LoginSettings,
    ProviderSettings,
    RepresentationSettings,
    load_citizen,
)
from gateway.settings.codes import load_codes
from gateway.settings.holidays import load_holidays, working_days
from gateway.settings.log import read_policy
from gateway.settings.registry import load_registry
from gateway.settings.server import DatabaseForm
from gateway.storage.accessrecords import AccessKeySource, nothing_sealed
from gateway.storage.database import CITIZEN_ROLE, Database, EmbeddedDatabase, open_database
from gateway.storage.failures import DATABASE_ERRORS

_READERS = 4  # connections to each provider's database


@asynccontextmanager
async def citizen_role(config: Path) -> AsyncIterator[str]:
    """A running portal; yields what to print of it. GatewayError when it cannot start."""
    settings = load_citizen(config)
    log = build_log()
    route_library_logs(log)
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        own = await _open(settings.database, "citizen", stack)
        background(group, stack, own.run())
        providers: dict[str, Provider] = {}
        for provider in settings.providers:
            name = "_".join(provider.server.pieces[-2:]).lower()
            opened = await _open(provider.database, name, stack, read_only=True)
            background(group, stack, opened.run())
            providers[str(provider.server)] = Provider(opened.pool, await _access_keys(opened.pool, provider))
        login, session = settings.login, settings.session
        registry = load_registry(settings.registry, files=False)
        delivery = await _delivery(settings.inquiries, registry.instance, own.pool, stack)
        if delivery is not None:
            background(group, stack, delivery.run())
        calendar = WorkingDays() if settings.holidays is None else working_days(load_holidays(settings.holidays))
        portal = Portal(
            records=RecordStore(providers, LOCAL.utcoffset(None)),
            lookups=Lookups(own.pool),
            asked=Inquiries(own.pool),
            filed=(lambda: None) if delivery is None else delivery.wake,
            sessions=Sessions(own.pool, session.idle, session.longest),
            log=PublicLog(read_policy(settings.policy), await _http(stack, login.timeout)),
            words=Dictionary(registry, load_codes(settings.codes)),
            deadlines=Deadlines(**dict(settings.deadlines), calendar=calendar),
            representation=await _representation(settings.representation, registry.instance, stack),
            attempts=0 if settings.representation is None else settings.representation.attempts,
            policy=settings.policy.read_bytes(),
            max_delay_hours=settings.max_delay // timedelta(hours=1),
            clock=clock,
        )
        origin = settings.public_url.rstrip("/")
        openid = OpenIdProvider(
            _client(login, origin), _expected(login), await _http(stack, login.timeout), time.monotonic
        )
        site, metrics = Site(origin, session.longest), CollectorRegistry()
        app = build_citizen_app(portal, openid, site, PortalMetrics(metrics), failures(log))
        probes = Probes(_probes(own.pool, providers, portal, openid), (GatewayError, *DATABASE_ERRORS))
        background(group, stack, probes.run())
        if settings.admin is not None:
            require_loopback(settings.admin.host, path="admin")
            health = Health(origin, clock)
            health.register("holidays", lambda now: holidays(calendar.known_until, now.astimezone(LOCAL).date()))
            watch_portal(probes, delivery, metrics, health)
            await listen_app(stack, build_admin(metrics, health), settings.admin.host, settings.admin.port)
        if origin.startswith("http:"):
            require_loopback(settings.listen.host, path="listen")
        await listen_app(stack, app, settings.listen.host, settings.listen.port)
        yield origin


def failures(log: Log) -> Report:
    """Of an unexpected error its type and place, never its text."""
    return lambda number, route, error: log.error("internal_error", correlation=number, route=route, **where(error))


def _probes(
    own: asyncpg.Pool, providers: Mapping[str, Provider], portal: Portal, openid: OpenIdProvider
) -> dict[str, Probe]:
    """What the portal cannot do without, and how to find out whether it answers."""

    def database(pool: asyncpg.Pool) -> Probe:
        return lambda: pool.fetchval("SELECT 1")

    return {
        **{server: database(provider.pool) for server, provider in providers.items()},
        OWN_DATABASE: database(own),
        PUBLIC_LOG: lambda: portal.log.checkpoint(clock().year),
        IDENTITY: openid.describe,
    }


def watch_portal(probes: Probes, delivery: Delivery | None, metrics: CollectorRegistry, health: Health) -> None:
    health.register("reach", lambda _: reach(probes.away))
    if delivery is None:
        health.register("inquiries", lambda _: undelivered())
        return

    def read() -> InquiriesReading:
        standing = delivery.standing
        return InquiriesReading(standing.open, standing.overdue, standing.waiting, standing.oldest)

    metrics.register(InquiriesCollector(read))
    health.register("inquiries", lambda _: to_deliver(read()))


async def _open(form: DatabaseForm, name: str, stack: AsyncExitStack, *, read_only: bool = False) -> Database:
    source = form.dsn() or "" if form.embedded is None else EmbeddedDatabase(form.embedded, form.name or name)
    opened = await open_database(source, connections=_READERS, read_only=read_only, role=CITIZEN_ROLE)
    stack.push_async_callback(opened.close)
    return opened


async def _access_keys(pool: asyncpg.Pool, settings: ProviderSettings) -> AccessKeySource:
    """SettingsError when the keys are not those of this provider's log."""
    name = f"seal_with of the provider {settings.server}"
    source = None if settings.seal_with is None else key_source(settings.seal_with, settings.seal_pin, name)
    await check_keys(pool, source, name)
    return nothing_sealed if source is None else AccessKeyStore(pool, source).current


async def _http(stack: AsyncExitStack, patience: timedelta) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=patience.total_seconds())
    return await stack.enter_async_context(
        aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
    )


def _client(login: LoginSettings, origin: str) -> Client:
    secret = None if login.client_secret is None else login.client_secret.read()
    return Client(login.client_id, secret, login.scope, f"{origin}/callback")


def _expected(login: LoginSettings) -> Expected:
    return Expected(
        login.issuer, login.client_id, login.algorithms, login.assurance, login.person_claim, login.person_kind
    )


async def _delivery(
    settings: InquirySettings | None, instance: str, pool: asyncpg.Pool, stack: AsyncExitStack
) -> Delivery | None:
    if settings is None:
        return None
    exchange = Exchange(settings.exchange.rstrip("/"), str(settings.client.resolve(instance)), settings.purpose)
    http, every = await _http(stack, settings.timeout), settings.every.total_seconds()
    return Delivery(pool, exchange, http, clock, time.monotonic, every)


async def _representation(
    settings: RepresentationSettings | None, instance: str, stack: AsyncExitStack
) -> Representation | None:
    if settings is None:
        return None
    register = Register(settings.url, str(settings.client.resolve(instance)), settings.purpose, settings.minor_until)
    return Representation(register, await _http(stack, settings.timeout))
