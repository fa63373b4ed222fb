"""The transparency log as a process: every object named once, started and stopped in order.

start   database, one shard for each year that has keys, then the ports: admin, public, submissions last
stop    the opposite
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.app.listeners import background, clock, listen_app
from gateway.core.merkle.policy import Policy
from gateway.monitoring import checks
from gateway.monitoring import transparency as watched
from gateway.monitoring.admin import build_admin, require_loopback
from gateway.monitoring.health import Check, Health
from gateway.monitoring.logs import build_log, route_library_logs
from gateway.monitoring.transparency import ShardReading
from gateway.settings.common import load_certificates
from gateway.settings.log import ED25519, ML_DSA_44, LogSettings, load_log, read_policy
from gateway.signer.notes import NoteKey, load_note_key
from gateway.storage.database import EmbeddedDatabase, open_database
from gateway.storage.watch import DatabaseWatch
from gateway.transparency.files import LogFiles
from gateway.transparency.fsck import FsckReport, fsck
from gateway.transparency.intake import Intake, Source, build_intake_app
from gateway.transparency.ports import Step
from gateway.transparency.publisher import Publisher
from gateway.transparency.sequencer import Sequencer
from gateway.transparency.serving import Receipts, build_public_app
from gateway.transparency.shard import LogShard, ShardLimits
from gateway.transparency.witnesses import WitnessClient
from gateway.transport import tls

_PATIENCE = timedelta(seconds=10)


@asynccontextmanager
async def transparency_role(config: Path) -> AsyncIterator[str]:
    """A running log; yields what to print of it. GatewayError when it cannot start."""
    settings = load_log(config)
    route_library_logs(build_log())
    policy_text, policy = settings.policy.read_bytes(), read_policy(settings.policy)
    ports = settings.listen
    context, source = _submitters(settings)
    if context is None:
        require_loopback(ports.submit.host, path="listen.submit")
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        database = await open_database(log_database(settings))
        stack.push_async_callback(database.close)
        background(group, stack, database.run())
        database_watch = DatabaseWatch(database.pool)
        background(group, stack, database_watch.run())
        shards: dict[str, LogShard] = {}
        for year in settings.years():
            shards[str(year)] = shard = _shard(settings, year, database.pool, policy, stack)
            background(group, stack, shard.run())
        intake = Intake(database.pool, _PATIENCE)

        health = Health(settings.origin, clock)
        health.register("database", lambda _: checks.database_away() if database_watch.away else ())
        health.register("years", lambda now: watched.coming_year(settings.years(), now))
        for year_name, shard in shards.items():
            health.register(f"log.{year_name}", _check(year_name, shard))
        registry = CollectorRegistry()
        registry.register(watched.LogCollector(lambda: _readings(shards), lambda: intake.taken))
        if ports.admin is not None:
            require_loopback(ports.admin.host)
            await listen_app(stack, build_admin(registry, health), ports.admin.host, ports.admin.port)
        receipts = {name: Receipts(database.pool, shard) for name, shard in shards.items()}
        public = build_public_app(shards, receipts, policy_text)
        await listen_app(stack, public, ports.public.host, ports.public.port)
        origins = {name: shard.origin for name, shard in shards.items()}
        submissions = build_intake_app(intake, origins, source)
        await listen_app(stack, submissions, ports.submit.host, ports.submit.port, tls=context)
        yield f"{settings.origin}  http://{ports.public}  ({', '.join(shards)})"


async def fsck_of(config: Path) -> list[FsckReport]:
    """Every shard, beside a running log or not."""
    settings = load_log(config)
    database = await open_database(log_database(settings), connections=2, read_only=True)
    try:
        return [
            await fsck(
                database.pool,
                settings.shard_origin(year),
                [signer.verifier for signer in _signers(settings, year)],
                LogFiles(settings.folder / str(year)),
            )
            for year in settings.years()
        ]
    finally:
        await database.close()


def log_database(settings: LogSettings) -> EmbeddedDatabase | str:
    if settings.database.embedded is not None:
        return EmbeddedDatabase(settings.database.embedded, settings.database_name)
    url = settings.database.dsn()
    assert url is not None  # the settings have exactly one of the two
    return url


def _shard(settings: LogSettings, year: int, pool: asyncpg.Pool, policy: Policy, stack: AsyncExitStack) -> LogShard:
    files = LogFiles(settings.folder / str(year))
    witnesses = WitnessClient(policy.witnesses, settings.witness_timeout)
    stack.push_async_callback(witnesses.close)
    sequencing = settings.sequencing
    sequencer = Sequencer(
        pool, settings.shard_origin(year), _signers(settings, year), files, clock, _unobserved, batch=sequencing.batch
    )
    publisher = Publisher(pool, sequencer, files, policy, witnesses, clock, _unobserved)
    limits = ShardLimits(
        sequencing.interval.total_seconds(),
        sequencing.keep_partials.total_seconds(),
        sequencing.republish.total_seconds(),
    )
    return LogShard(pool, sequencer, publisher, files, limits)


def _unobserved(_: Step) -> None:
    """Tests stand at each step; the log itself has nothing to do there."""


def _signers(settings: LogSettings, year: int) -> tuple[NoteKey, ...]:
    pin = None if settings.pin is None else settings.pin.read()
    return tuple(
        load_note_key(settings.key_file(year, kind), settings.shard_origin(year), cosigner=False, pin=pin)
        for kind in (ED25519, ML_DSA_44)
    )


def _submitters(settings: LogSettings) -> tuple[ssl.SSLContext | None, Source]:
    """The TLS context of the submission port, and who is at the other end of a connection."""
    if settings.tls is None:
        return None, lambda _: None
    servers = {
        certificate: str(submitter.server)
        for submitter in settings.submitters
        for path in submitter.certificates
        for certificate in map(tls.der, load_certificates(path))
    }
    pin = None if settings.tls.pin is None else settings.tls.pin.read()
    context = tls.submission_context(servers, settings.tls.certificate, settings.tls.key, pin)

    def source(request: web.BaseRequest) -> str | None:
        transport = request.transport
        shown = () if transport is None else tls.shown_chain(transport.get_extra_info("ssl_object"))
        return servers.get(shown[0], "") if shown else ""  # "" is nobody's id: refused

    return context, source


def _readings(shards: Mapping[str, LogShard]) -> list[ShardReading]:
    return [_reading(year, shard) for year, shard in shards.items()]


def _reading(year: str, shard: LogShard) -> ShardReading:
    since, published = shard.publisher.unwitnessed_since, shard.publisher.published
    return ShardReading(
        year=year,
        size=None if shard.committed is None else shard.committed.checkpoint.size,
        published=None if published is None else published[0],
        waiting=shard.waiting,
        oldest=shard.oldest,
        unwitnessed=0.0 if since is None else (clock() - since).total_seconds(),
        frozen=shard.frozen,
        trouble=shard.trouble,
    )


def _check(year: str, shard: LogShard) -> Check:
    return lambda _: watched.log_shard(_reading(year, shard))
