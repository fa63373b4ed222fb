"""One security server: every object is named here once, started and stopped in order.

start   database, message log, global configuration, keys and their OCSP answers, links out, then the ports: admin, 5577, 5500,
        clients last
stop    the opposite: no new exchanges, those under way to their recorded end, the log drained, the database last
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.app.listeners import background, clock, listen, listen_app
from gateway.app.observe import Watched, incidents
from gateway.clientproxy.proxy import ClientProxy
from gateway.confclient.client import ConfigurationClient
from gateway.core.framing.transport import FramingLimits
from gateway.core.serverconf.model import ServerConf
from gateway.core.signing.verify import SignerVerdicts
from gateway.exchange.client_side import ClientSide
from gateway.exchange.peers import PeerVerdicts
from gateway.exchange.ports import Clock
from gateway.exchange.server_side import ServerSide
from gateway.messagelog.groupcommit import LogLimits
from gateway.messagelog.maintenance import LogMaintenance
from gateway.messagelog.stamper import StampPolicy, TimeStamper
from gateway.messagelog.tsaclient import TimeStampClient
from gateway.messagelog.writer import MessageLogWriter
from gateway.monitoring.admin import build_admin, require_loopback
from gateway.monitoring.health import Health
from gateway.monitoring.line import ExchangeLine
from gateway.monitoring.logs import build_log, route_library_logs
from gateway.monitoring.metrics import PrometheusObserver
from gateway.monitoring.readings import ReadingsCollector
from gateway.serverproxy.metaservices import MetaServices
from gateway.serverproxy.ocsp import OcspLookup
from gateway.serverproxy.proxy import ServerProxy
from gateway.settings.server import KeySettings, ServerSettings
from gateway.settings.serverconf import server_conf
from gateway.signer.ocsp_client import OcspClient, fetch_from_server
from gateway.signer.signer import AuthKey, LocalSigner, certificates_to_show
from gateway.signer.tokens import KeyToken, open_token
from gateway.storage.database import Database, EmbeddedDatabase, open_database
from gateway.transport import tls
from gateway.transport.peers import PeerLinks, PeerOptions
from gateway.transport.services import ServiceCaller
from gateway.transport.spool import Spool

_FOLLOW_SECONDS = 5.0


class _FixedConf:
    """The server configuration in force."""

    def __init__(self, conf: ServerConf) -> None:
        self._conf = conf

    def current(self) -> ServerConf:
        return self._conf


@asynccontextmanager
async def security_server(settings: ServerSettings, clock: Clock = clock) -> AsyncIterator[str]:
    """A running security server; yields what to print of it. GatewayError when it cannot start."""
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        yield await _start(settings, clock, group, stack)


async def _start(settings: ServerSettings, clock: Clock, group: asyncio.TaskGroup, stack: AsyncExitStack) -> str:
    log = build_log()
    route_library_logs(log)
    conf = _FixedConf(server_conf(settings))
    state = settings.state_directory

    # evidence: nothing else starts when records cannot be kept
    database = await open_database(database_source(settings))
    stack.push_async_callback(database.close)
    background(group, stack, database.run())
    maintenance = LogMaintenance(database, clock, period=settings.evidence.partitions)
    await maintenance.once()
    background(group, stack, maintenance.run())
    globalconf = ConfigurationClient(settings.global_configuration, state / "globalconf", clock)
    stamper = _time_stamper(settings, database, globalconf)
    inline_below = settings.evidence.store_body_inline_below
    writer = MessageLogWriter(database.pool, clock, LogLimits(inline_below=inline_below), stamper)
    background(group, stack, writer.run())
    stack.push_async_callback(writer.drain)

    # trust: whom to believe, and who we are
    await globalconf.start()
    background(group, stack, globalconf.run())
    background(group, stack, stamper.run())
    signing = [_token(key) for key in settings.keys.signing]
    authentication = _token(settings.keys.authentication)
    shown = certificates_to_show(authentication, globalconf.current().trust(settings.server.instance, clock()))
    own = [*(t.certificate for t in signing), *shown]
    ocsp = OcspClient(own, lambda at: globalconf.current().trust(settings.server.instance, at), clock, state / "ocsp")
    await ocsp.start()
    background(group, stack, ocsp.run())
    signer = LocalSigner(signing, lambda instance, at: globalconf.current().trust(instance, at), ocsp)
    auth_key = AuthKey(authentication, ocsp, shown)
    internal_key = None if settings.keys.internal_tls is None else AuthKey(_token(settings.keys.internal_tls), ocsp)

    # one exchange's ports
    registry = CollectorRegistry()
    line = ExchangeLine(log)
    observer = PrometheusObserver(registry, line)
    report = incidents(log, line)
    verdicts, peer_verdicts = SignerVerdicts(), PeerVerdicts()
    stall = settings.limits.stall.total_seconds()
    limits = FramingLimits(message=settings.limits.message, part=settings.limits.part, body=settings.limits.body)

    def new_body() -> Spool:
        return Spool(above=settings.limits.spool_above, limit=settings.limits.body)

    links = PeerLinks(
        _peer_options(settings), auth_key, globalconf, clock, peer_verdicts, fetch_from_server, new_body, limits
    )
    stack.push_async_callback(links.close)
    services = ServiceCaller(conf, new_body, internal_key)
    stack.push_async_callback(services.close)
    client_side = ClientSide(clock, globalconf, conf, signer, writer, links, observer, verdicts, _new_id)
    server_side = ServerSide(
        clock,
        globalconf,
        conf,
        signer,
        writer,
        MetaServices(conf, new_body, _read_description, services),
        observer,
        verdicts,
        peer_verdicts,
    )

    # ports, those that others depend on first
    health = Health(str(settings.server), clock)
    ports = settings.listen
    listener = tls.PeerListener(settings.peers.tls, auth_key.load_into, globalconf.current().ca_certificates())
    watched = Watched(
        settings,
        clock,
        writer=writer,
        stamper=stamper,
        globalconf=globalconf,
        ocsp=ocsp,
        signer=signer,
        auth_key=auth_key,
        internal=None if internal_key is None else internal_key.certificate,
        links=links,
        verdicts=verdicts,
        peers=peer_verdicts,
        listener=listener,
    )
    registry.register(ReadingsCollector(watched.readings()))
    watched.watch(health)
    if ports.admin is not None:
        require_loopback(ports.admin.host)
        await listen_app(stack, build_admin(registry, health), ports.admin.host, ports.admin.port)
    if ports.ocsp is not None:
        await listen(stack, OcspLookup(auth_key.ocsp_answers).handle, ports.ocsp.host, ports.ocsp.port)
    if ports.servers is not None:
        background(group, stack, _follow_authorities(globalconf, listener))
        proxy = ServerProxy(server_side, new_body, limits, stall, tls.shown_chain, report)
        await listen(stack, proxy.handle, ports.servers.host, ports.servers.port, tls=listener.context)
    clients = ClientProxy(client_side, new_body, settings.limits.header, stall, report)
    if ports.clients_https is not None and internal_key is not None:
        context = tls.system_server_context(_system_certificates(conf.current()))
        internal_key.load_into(context)
        await listen(stack, clients.handle, ports.clients_https.host, ports.clients_https.port, tls=context)
    if ports.clients_http is not None:
        await listen(stack, clients.handle, ports.clients_http.host, ports.clients_http.port)
    return f"{settings.server}  http://{ports.clients_http}"


def _new_id() -> str:
    return str(uuid.uuid4())


def database_source(settings: ServerSettings) -> EmbeddedDatabase | str:
    """Where this server's message log is."""
    if settings.database.embedded is not None:
        return EmbeddedDatabase(settings.database.embedded, settings.database_name)
    url = settings.database.dsn()
    assert url is not None  # the settings have exactly one of the two
    return url


def _time_stamper(settings: ServerSettings, database: Database, globalconf: ConfigurationClient) -> TimeStamper:
    own = settings.evidence.timestamps
    client = TimeStampClient(clock, urls=own.authorities, timeout=own.timeout.total_seconds())
    policy = StampPolicy(
        immediate=own.mode == "immediate",
        interval=own.interval,
        batch=own.batch,
        unavailable=own.when_unavailable,
        after=own.after,
    )
    return TimeStamper(database.pool, client, globalconf, clock, policy)


def _token(key: KeySettings) -> KeyToken:
    pin = None if key.pin is None else key.pin.read()
    return open_token(key.reference, pin=pin, certificate=key.certificate, pss=key.algorithm == "pss")


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


async def _follow_authorities(globalconf: ConfigurationClient, listener: tls.PeerListener) -> None:
    """The CAs of the global configuration in force are the ones believed in handshakes."""
    known = globalconf.current().fingerprint
    while True:
        await asyncio.sleep(_FOLLOW_SECONDS)
        current = globalconf.current()
        if current.fingerprint != known:
            known = current.fingerprint
            listener.trust(current.ca_certificates())


async def _read_description(url: str) -> bytes:
    """OpenAPI documents are files beside the configuration, read live so that a changed one is served."""
    return await asyncio.to_thread(Path(url.removeprefix("file:")).read_bytes)
