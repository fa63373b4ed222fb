"""Which processes `make run` starts, in which order, and what it says when they run."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from gateway.app.demo import Child, supervise
from gateway.app.listeners import background
from gateway.app.process import stop_event
from gateway.core.errors import SettingsError
from gateway.settings.citizen import load_citizen
from gateway.settings.demo import AdapterSettings, DemoSettings, load_demo
from gateway.settings.log import load_log
from gateway.settings.registry import load_registry
from gateway.settings.server import DatabaseForm, ServerSettings, load_server
from gateway.storage.database import create_database
from gateway.storage.embedded import EmbeddedPostgres, attach_or_start

_LOGS = Path("var/log")


async def run_demo(config: Path) -> None:
    """Until Ctrl-C. SettingsError when something does not start."""
    began = time.monotonic()
    print("starting the instance; logs go to", _LOGS, flush=True)
    stop = stop_event(supervised=False)
    await _make_keys()
    settings = load_demo(config)
    servers = [load_server(path) for path in settings.servers]
    await asyncio.to_thread(_LOGS.mkdir, parents=True, exist_ok=True)
    async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
        databases = await _start_databases(settings, servers, group, stack)
        await stack.enter_async_context(supervise(await _children(settings, databases)))
        print(_welcome(settings, servers, time.monotonic() - began), flush=True)
        await stop.wait()
        print("\nstopping ...", flush=True)
    print("stopped; the data is in var/", flush=True)


async def _make_keys() -> None:
    """In a process of its own: `certs/` is not part of the package, and the keys need not pass through this process."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "certs.generate")
    if await process.wait() != 0:
        raise SettingsError(["the keys and certificates of the instance could not be made"])


async def _start_databases(
    settings: DemoSettings, servers: list[ServerSettings], group: asyncio.TaskGroup, stack: AsyncExitStack
) -> dict[Path, EmbeddedPostgres]:
    """This process owns the embedded servers: they outlive the roles, are started again when they end, and stop last."""
    found: dict[Path, EmbeddedPostgres] = {}
    adapters = [a.database for a in settings.adapters if a.database is not None]
    databases = [*(s.database for s in servers), *adapters, *_log_database(settings)]
    for directory in sorted({d.embedded for d in databases if d.embedded is not None}):
        began = time.monotonic()
        found[directory] = await attach_or_start(directory)
        stack.push_async_callback(found[directory].stop)
        background(group, stack, found[directory].run())
        print(f"  {'postgresql':<18} {directory}  ({time.monotonic() - began:.1f} s)", flush=True)
    return found


async def _children(settings: DemoSettings, databases: dict[Path, EmbeddedPostgres]) -> list[list[Child]]:
    first = [_role("trust", settings.trust), _role("registry", settings.registry)]
    adapters = [await _adapter(adapter, databases) for adapter in settings.adapters]
    servers = [_role("server", path, name=f"server {path.stem}") for path in settings.servers]
    witnesses = [_role("witness", path, name=f"witness {path.stem}") for path in settings.witnesses]
    log = [_role("transparency", path) for path in (settings.transparency,) if path is not None]
    citizen = [_role("citizen", path) for path in (settings.citizen,) if path is not None]
    return [[*first, *adapters, *witnesses], log, servers, citizen]


def _log_database(settings: DemoSettings) -> list[DatabaseForm]:
    return [] if settings.transparency is None else [load_log(settings.transparency).database]


def _role(role: str, config: Path, *, name: str | None = None) -> Child:
    name = name or role
    log = _LOGS / f"{name.replace(' ', '-')}.log"
    return Child(name, ("gateway", role, "--config", str(config), "--supervised"), log)


async def _adapter(adapter: AdapterSettings, databases: dict[Path, EmbeddedPostgres]) -> Child:
    name = f"adapter {adapter.name}"
    arguments = (f"adapters.{adapter.name}", "--listen", str(adapter.listen), "--supervised")
    form = adapter.database
    database = {} if form is None else {"ADAPTER_DATABASE_URL": await _database_of(adapter.name, form, databases)}
    return Child(name, arguments, _LOGS / f"{name.replace(' ', '-')}.log", {**adapter.environment, **database})


async def _database_of(name: str, form: DatabaseForm, databases: dict[Path, EmbeddedPostgres]) -> str:
    """What the adapter connects with: a URL, or connection arguments as JSON. In its environment, not its command line."""
    if form.embedded is None:
        return form.dsn() or ""
    target = databases[form.embedded].dsn_kwargs(form.name or f"adapter_{name}")
    await create_database(target)
    return json.dumps(target)


def _welcome(settings: DemoSettings, servers: list[ServerSettings], seconds: float) -> str:
    registry = load_registry(settings.registry)
    names = {str(member.id): member.name for member in registry.members}
    lines = ["", f"ready in {seconds:.1f} s: instance {registry.instance}. Ctrl-C stops it; the data stays.", ""]
    for server in servers:
        clients = ", ".join(str(client.id) for client in server.clients)
        lines.append(f"  {server.server}  http://{server.listen.clients_http}  {_name_of(server, names)}  ({clients})")
        if server.listen.admin is not None:
            lines.append(f"  {'':<{len(str(server.server))}}  http://{server.listen.admin}/health  /metrics")
    lines += [
        f"  registry          http://{registry.publish.listen}/anchor.xml",
        *_log_words(settings),
        *_portal_words(settings),
        "",
        "call it from another terminal:",
        "  curl -s http://127.0.10.4:8080/r1/VN/GOV/G01/dancu/person/v1/persons/999300000017 -H 'X-Road-Client: VN/GOV/G22/dvc'",
        "",
        "check the evidence of a message (its x-road-id stands in the answer's headers):",
        "  .venv/bin/python -m gateway verify message --server VN/GOV/G22/ss1 <x-road-id>",
    ]
    return "\n".join(lines)


def _log_words(settings: DemoSettings) -> list[str]:
    if settings.transparency is None:
        return []
    log = load_log(settings.transparency)
    return [f"  transparency log  http://{log.listen.public}/{log.years()[0]}/checkpoint"]


def _portal_words(settings: DemoSettings) -> list[str]:
    if settings.citizen is None:
        return []
    return [f"  citizens' portal  {load_citizen(settings.citizen).public_url}  (open it in a browser)"]


def _name_of(server: ServerSettings, names: dict[str, str]) -> str:
    owner = str(server.server.owner)
    return names.get(owner) or names.get(owner.partition("/")[2]) or owner
