"""The promise keeper of a security server, from its settings."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

from gateway.core.merkle.policy import Policy
from gateway.exchange.ports import Clock, GlobalConf
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.promises import RecordedPromises
from gateway.monitoring.logs import Log
from gateway.settings.log import read_policy
from gateway.settings.server import ServerSettings
from gateway.storage.database import Database
from gateway.transparency.keeper import Broken, KeeperPolicy, Misdated, PromiseKeeper
from gateway.transparency.logview import LogView
from gateway.transparency.promised import PromiseTable
from gateway.transparency.prooffolder import ProofFolder
from gateway.transparency.sources import UrlSource
from gateway.transparency.witnesses import WitnessClient


async def promise_keeper(
    settings: ServerSettings,
    database: Database,
    keys: KeySource | None,
    globalconf: GlobalConf,
    clock: Clock,
    log: Log,
    stack: AsyncExitStack,
) -> PromiseKeeper | None:
    """None when the settings have no `promises`."""
    told, folder = settings.promises, settings.proof_folder
    if told is None or folder is None:
        return None
    policy = read_policy(told.policy)

    def alarm(found: Broken | Misdated) -> None:
        event, leaf = "promise_broken" if isinstance(found, Broken) else "access_record_misdated", found.leaf.hex()
        log.error(event, provider=found.provider, log=found.origin, leaf=leaf, proof=found.file)

    return PromiseKeeper(
        PromiseTable(database.pool),
        RecordedPromises(database.pool, keys),
        await _views(policy, told.timeout.total_seconds(), stack),
        policy,
        ProofFolder(folder),
        globalconf,
        clock,
        KeeperPolicy(told.max_delay, told.every, told.keep_kept, told.time_tolerance),
        alarm,
    )


async def _views(policy: Policy, timeout: float, stack: AsyncExitStack) -> dict[str, LogView]:
    patience = timedelta(seconds=timeout)
    urls = {log.key.name: log.url.rstrip("/") for log in policy.logs if log.url is not None}
    views: dict[str, LogView] = {}
    for origin, url in urls.items():
        witnesses = WitnessClient(policy.witnesses, patience)
        stack.push_async_callback(witnesses.close)
        source = await stack.enter_async_context(UrlSource(url, timeout))
        views[origin] = LogView(origin, source, policy, witnesses)
    return views
