"""A witness as a process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.app.listeners import clock, listen_app
from gateway.core.errors import GatewayError
from gateway.core.merkle.keys import VerifierKey
from gateway.monitoring import transparency as watched
from gateway.monitoring.admin import build_admin, require_loopback
from gateway.monitoring.health import Health
from gateway.monitoring.logs import build_log, route_library_logs
from gateway.monitoring.transparency import WitnessReading
from gateway.settings.log import load_witness, read_policy
from gateway.signer.notes import load_note_key
from gateway.witness.service import build_witness_app
from gateway.witness.store import WitnessStore
from gateway.witness.witness import Witness


@asynccontextmanager
async def witness_role(config: Path) -> AsyncIterator[str]:
    """A running witness; yields what to print of it. GatewayError when it cannot start."""
    settings = load_witness(config)
    log = build_log()
    route_library_logs(log)
    keys = [
        load_note_key(k.key, settings.name, cosigner=True, pin=None if k.pin is None else k.pin.read())
        for k in settings.keys
    ]
    logs: defaultdict[str, tuple[VerifierKey, ...]] = defaultdict(tuple)
    for entry in read_policy(settings.policy).logs:
        logs[entry.key.name] += (entry.key,)
    witness = Witness(keys, dict(logs), WitnessStore(settings.state), clock)

    def report(origin: str, error: GatewayError) -> None:
        log.warning("checkpoint_refused", origin=origin, why=type(error).__name__)

    async with AsyncExitStack() as stack:
        stack.callback(witness.close)
        await witness.start()
        health = Health(settings.name, clock)
        health.register("witness", lambda _: watched.witness(_reading(witness)))
        registry = CollectorRegistry()
        registry.register(watched.WitnessCollector(lambda: _reading(witness)))
        if settings.admin is not None:
            require_loopback(settings.admin.host, path="admin")
            await listen_app(stack, build_admin(registry, health), settings.admin.host, settings.admin.port)
        app = build_witness_app(witness, tuple(logs), report)
        await listen_app(stack, app, settings.listen.host, settings.listen.port)
        yield f"{settings.name}  http://{settings.listen}"


def _reading(witness: Witness) -> WitnessReading:
    return WitnessReading(tuple(sorted(witness.sizes.items())), witness.cosigned, witness.refused)
