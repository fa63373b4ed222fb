"""From the settings of a security server to where its things are."""

from __future__ import annotations

from pathlib import Path

from gateway.core.errors import SettingsError
from gateway.messagelog.keysource import KeySource, check_keys
from gateway.settings.server import ServerSettings, load_server
from gateway.storage.database import Database, EmbeddedDatabase


def database_source(settings: ServerSettings) -> EmbeddedDatabase | str:
    """Where this server's message log is."""
    if settings.database.embedded is not None:
        return EmbeddedDatabase(settings.database.embedded, settings.database_name)
    url = settings.database.dsn()
    assert url is not None  # the settings have exactly one of the two
    return url


async def log_keys(settings: ServerSettings, database: Database) -> KeySource | None:
    """The key-encryption keys of its message log; None when nothing is or was sealed. SettingsError when they are not those with
    which this log can be read: no program works on a log half of which it cannot open."""
    secret = settings.evidence.seal_with
    source = None if secret is None else KeySource(secret.read)
    await check_keys(database.pool, source)
    return source


def settings_of(configs: Path, server: str) -> ServerSettings:
    """Of the security server with this id. SettingsError when no file in the folder is about it."""
    found = [load_server(path, files=False) for path in sorted(configs.glob("*.yaml"))]
    for settings in found:
        if str(settings.server) == server:
            return settings
    known = ", ".join(str(s.server) for s in found) or "none"
    raise SettingsError([f"{configs}: no security server {server} here (known: {known})"])
