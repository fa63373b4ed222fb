"""One security server: every object is named here once, started and stopped in order.

start   database, message log, global configuration, keys and their OCSP answers, links out, then the ports: admin, 5577, 5500,
        clients last
stop    the opposite: no new exchanges, those under way to their recorded end, the log drained, the database last
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.app.evidence import build_archiver, build_finding_retention
from gateway.app.keys import KeyReload, ServerKeys
from gateway.app.listeners import background, clock, listen, listen_app
from gateway.app.observe import Watched, incidents
from gateway.app.ownservices import inquiry_box, own_services, takes_inquiries, watch_inquiries
from gateway.app.promises import promise_keeper
from gateway.app.revocation import revocation_keeper
from gateway.app.sources import database_source, log_keys
from gateway.clientproxy.proxy import ClientProxy
from gateway.confclient.client import ConfigurationClient
from gateway.core.disclosure.leaf import SEED_SIZE
from gateway.core.framing.transport import FramingLimits
from gateway.core.serverconf.model import ServerConf
from gateway.core.signing.revoked import RevokedCertificates
from gateway.core.signing.verify import SignerVerdicts
from gateway.exchange.batching import SigningBatches
from gateway.exchange.client_side import ClientSide
from gateway.exchange.peers import PeerVerdicts
from gateway.exchange.ports import Clock
from gateway.exchange.server_side import ServerSide
from gateway.httpd.connection import ConnectionCount
from gateway.messagelog.exporting import ContainerExport
from gateway.messagelog.groupcommit import LogLimits
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.maintenance import LogMaintenance
from gateway.messagelog.officialkey import SealedOfficialKey
from gateway.messagelog.sealing import Seal
from gateway.messagelog.stamper import StampPolicy, TimeStamper
from gateway.messagelog.tsaclient import TimeStampClient
from gateway.messagelog.writer import MessageLogWriter
from gateway.monitoring import checks
from gateway.monitoring.admin import build_admin, require_loopback
from gateway.monitoring.health import Health
from gateway.monitoring.line import ExchangeLine
from gateway.monitoring.logs import LineLog, build_log, route_library_logs
from gateway.monitoring.metrics import PrometheusObserver
from gateway.monitoring.readings import ReadingsCollector
from gateway.ownservices.port import OwnServices
from gateway.revocation.watch import RevocationWatch
from gateway.serverproxy.metaservices import MetaServices
from gateway.serverproxy.ocsp import OcspLookup
from gateway.serverproxy.proxy import ServerProxy
from gateway.settings.common import load_certificates
from gateway.settings.server import ServerSettings, load_server
from gateway.settings.serverconf import server_conf
from gateway.settings.transparency import TransparencySettings
from gateway.signer.authkeys import AuthKey, AuthKeys
from gateway.signer.ocsp_client import fetch_from_server
from gateway.storage.database import Database, open_database
from gateway.storage.uuids import new_uuid
from gateway.storage.watch import DatabaseWatch
from gateway.transparency.delivery import LogDelivery
from gateway.transparency.outbox import BacklogPolicy, Identity, NoPublicLog, Outbox
from gateway.transport import tls
from gateway.transport.peers import PeerLinks, PeerOptions
from gateway.transport.services import ServiceCaller
from gateway.transport.spool import Spool

_FOLLOW_SECONDS = 1.0


class _FixedConf:
    """The server configuration in force."""

    def __init__(self, conf: ServerConf) -> None:
        self._conf = conf

    def current(self) -> ServerConf:
        return self._conf


@asynccontextmanager
async def security_server(file: Path, clock: Clock = clock) -> AsyncIterator[str]:
    """The security server of this settings file, running; yields what to print of it. GatewayError when it cannot start."""
    settings = load_server(file)
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        yield await _start(settings, file, clock, group, stack)


async def _start(
    settings: ServerSettings, file: Path, clock: Clock, group: asyncio.TaskGroup, stack: AsyncExitStack
) -> str:
    log = build_log()
    route_library_logs(log)
    conf = _FixedConf(server_conf(settings))
    state = settings.state_directory

    # evidence: nothing else starts when records cannot be kept
    database = await open_database(database_source(settings))
    stack.push_async_callback(database.close)
    background(group, stack, database.run())
    database_watch = DatabaseWatch(database.pool)
    background(group, stack, database_watch.run())
    globalconf = ConfigurationClient(settings.global_configuration, state / "globalconf", clock)
    maintenance = LogMaintenance(
        database,
        clock,
        fresh_for=lambda: globalconf.current().trust(settings.server.instance, clock()).ocsp_freshness,
        period=settings.evidence.partitions,
    )
    await maintenance.once()
    background(group, stack, maintenance.run())
    stamper = _time_stamper(settings, database, globalconf)
    inline_below = settings.evidence.store_body_inline_below
    key_source = await log_keys(settings, database)
    seal = None if key_source is None else Seal(database.pool, key_source)
    log_limits = LogLimits(inline_below=inline_below)
    writer = MessageLogWriter(database.pool, clock, settings.server, log_limits, stamper, seal)
    background(group, stack, writer.run())
    stack.push_async_callback(writer.drain)
    archiver = None
    if settings.evidence.archive is not None:
        archiver = build_archiver(database, settings.evidence.archive, settings.server.instance, key_source)
        background(group, stack, archiver.run())
    background(group, stack, build_finding_retention(database, settings.evidence.findings).run())

    # trust: whom to believe, and who we are
    await globalconf.start()
    background(group, stack, globalconf.run())
    background(group, stack, stamper.run())
    keeper = await promise_keeper(settings, database, key_source, globalconf, clock, log, stack)
    if keeper is not None:
        background(group, stack, keeper.run())
    keys = ServerKeys(settings, globalconf, clock, state / "ocsp")
    await keys.use(settings.keys)
    background(group, stack, keys.ocsp.run())
    outbox = await _outbox(settings, database, key_source, keys, group, stack)

    signers = revocation_keeper(settings, clock, state)
    await signers.start()
    background(group, stack, signers.run())

    # one exchange's ports
    registry = CollectorRegistry()
    line = ExchangeLine(LineLog())
    observer = PrometheusObserver(registry, line)
    report = incidents(log, line)
    revoked, batches = RevokedCertificates(), SigningBatches()
    verdicts, peer_verdicts = SignerVerdicts(revoked=revoked), PeerVerdicts(revoked)
    revocations = RevocationWatch(
        (verdicts, peer_verdicts),
        revoked,
        globalconf.current,
        clock,
        lambda: globalconf.current().options.ocsp_fetch_interval,
    )
    background(group, stack, revocations.run())
    stall = settings.limits.stall.total_seconds()
    limits = FramingLimits(message=settings.limits.message, part=settings.limits.part, body=settings.limits.body)

    def new_body() -> Spool:
        return Spool(above=settings.limits.spool_above, limit=settings.limits.body)

    links = PeerLinks(
        _peer_options(settings),
        keys.authentication,
        globalconf,
        clock,
        peer_verdicts,
        fetch_from_server,
        new_body,
        limits,
    )
    stack.push_async_callback(links.close)
    services = ServiceCaller(conf, new_body, keys.internal)
    stack.push_async_callback(services.close)
    disclosure, box = outbox or NoPublicLog(), await inquiry_box(database, key_source, seal)
    answered = own_services(settings, database.pool, disclosure.official_key, key_source, box)
    own = OwnServices(answered, new_body, services)
    client_side = ClientSide(clock, globalconf, conf, keys.signer, writer, links, observer, verdicts, batches, _new_id)
    server_side = ServerSide(
        clock,
        globalconf,
        conf,
        keys.signer,
        writer,
        disclosure,
        MetaServices(conf, new_body, _read_description, own),
        observer,
        verdicts,
        peer_verdicts,
        batches,
        partial(secrets.token_bytes, SEED_SIZE),
        signers,
    )

    # ports, those that others depend on first
    health = Health(str(settings.server), clock)
    ports = settings.listen
    counts = {
        port: ConnectionCount(settings.limits.connections)
        for port in ("clients_http", "clients_https", "servers", "ocsp")
    }
    listener = tls.PeerListener(
        settings.peers.tls,
        lambda context: keys.authentication.current().load_into(context),
        globalconf.current().ca_certificates(),
    )
    background(group, stack, _follow(globalconf, keys.authentication, listener))
    watched = Watched(
        settings,
        clock,
        database=database_watch,
        writer=writer,
        stamper=stamper,
        archiver=archiver,
        outbox=outbox,
        keeper=keeper,
        globalconf=globalconf,
        keys=keys,
        links=links,
        verdicts=verdicts,
        peers=peer_verdicts,
        revocations=revocations,
        listener=listener,
        connections=counts,
    )
    registry.register(ReadingsCollector(watched.readings()))
    watched.watch(health)
    if takes_inquiries(settings):
        watch_inquiries(box, registry, health)
        background(group, stack, box.run())
    health.register("document_signers", lambda _: checks.document_signers(signers.problems))
    reload = KeyReload(keys, settings, lambda: load_server(file), file)
    health.register("keys", reload.check)
    background(group, stack, reload.run())
    if ports.admin is not None:
        require_loopback(ports.admin.host)
        await listen_app(stack, build_admin(registry, health), ports.admin.host, ports.admin.port)
    if ports.ocsp is not None:
        await listen(
            stack,
            OcspLookup(keys.authentication.ocsp_answers).handle,
            ports.ocsp.host,
            ports.ocsp.port,
            count=counts["ocsp"],
        )
    if ports.servers is not None:
        proxy = ServerProxy(server_side, new_body, limits, stall, tls.shown_chain, report)
        address, context = ports.servers, listener.context
        await listen(stack, proxy.handle, address.host, address.port, tls=context, count=counts["servers"])
    containers = ContainerExport(database.pool, stamper.stamped, keys=key_source)
    clients = ClientProxy(client_side, new_body, settings.limits.header, stall, report, containers)
    https: ssl.SSLContext | None = None
    if ports.clients_https is not None:
        https = tls.system_server_context(_system_certificates(conf.current()))
        keys.show_internal(partial(_show, https))
    keys.show_internal(services.show)
    if ports.clients_https is not None and https is not None:
        address = ports.clients_https
        await listen(stack, clients.handle, address.host, address.port, tls=https, count=counts["clients_https"])
    if ports.clients_http is not None:
        address = ports.clients_http
        await listen(stack, clients.handle, address.host, address.port, count=counts["clients_http"])
    return f"{settings.server}  http://{ports.clients_http}"


async def _outbox(
    settings: ServerSettings,
    database: Database,
    key_source: KeySource | None,
    keys: ServerKeys,
    group: asyncio.TaskGroup,
    stack: AsyncExitStack,
) -> Outbox | None:
    """None: this server declares itself to tell citizens nothing, or has no services."""
    told = settings.transparency
    if not isinstance(told, TransparencySettings):
        return None
    context: ssl.SSLContext | None = None
    if told.certificates:
        context = tls.log_client_context([tls.der(c) for path in told.certificates for c in load_certificates(path)])
        keys.show_internal(partial(_show, context))
    delivery = LogDelivery(told.log, str(settings.server), told.timeout.total_seconds(), context)
    stack.push_async_callback(delivery.close)
    backlog = told.backlog
    policy = BacklogPolicy(
        backlog.alert_after, backlog.stop_after, backlog.stop_size, backlog.at_limit, backlog.inclusion
    )
    server, identity = str(settings.server), Identity(told.origin, told.provider)
    official_key = None if key_source is None else SealedOfficialKey(database, key_source, server).key
    outbox = Outbox(database.pool, server, clock, identity, delivery, policy, official_key)
    await outbox.start()
    background(group, stack, outbox.run())
    return outbox


def _show(context: ssl.SSLContext, key: AuthKey) -> None:
    key.load_into(context)


def _new_id() -> str:
    return str(new_uuid())


def _time_stamper(settings: ServerSettings, database: Database, globalconf: ConfigurationClient) -> TimeStamper:
    own = settings.evidence.timestamps
    client = TimeStampClient(clock, urls=own.authorities, timeout=own.timeout.total_seconds())
    policy = StampPolicy(
        immediate=own.mode == "immediate",
        interval=own.interval,
        batch=own.batch,
        unavailable=own.when_unavailable,
        after=own.after,
        hand_on=settings.promises is not None,
    )
    return TimeStamper(database.pool, client, globalconf, clock, policy)


def _peer_options(settings: ServerSettings) -> PeerOptions:
    peers = settings.peers
    return PeerOptions(
        port=peers.port,
        ocsp_port=peers.ocsp_port,
        profile=peers.tls,
        connect_timeout=peers.connect_timeout.total_seconds(),
        answer_timeout=peers.answer_timeout.total_seconds(),
        keep_idle=peers.keep_idle.total_seconds(),
    )


def _system_certificates(conf: ServerConf) -> list[bytes]:
    own = [] if conf.internal_certificate is None else [conf.internal_certificate]
    return [*own, *(der for client in conf.clients.values() for der in client.certificates)]


async def _follow(globalconf: ConfigurationClient, authentication: AuthKeys, listener: tls.PeerListener) -> None:
    """The CAs of the global configuration in force are believed in handshakes, and the key whose turn it is is shown."""
    known = globalconf.current().fingerprint
    while True:
        await asyncio.sleep(_FOLLOW_SECONDS)
        current = globalconf.current()
        if authentication.follow():
            listener.renew(current.ca_certificates())
        elif current.fingerprint != known:
            listener.trust(current.ca_certificates())
        known = current.fingerprint


async def _read_description(url: str) -> bytes:
    """OpenAPI documents are files beside the configuration, read live so that a changed one is served."""
    return await asyncio.to_thread(Path(url.removeprefix("file:")).read_bytes)
