"""From the settings of a security server to where its things are."""

from __future__ import annotations

from pathlib import Path

from gateway.core.errors import SettingsError
from gateway.core.sealing.envelope import Cipher
from gateway.messagelog.keysource import KeySource, check_keys
from gateway.settings.common import SecretReference
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
    evidence = settings.evidence
    source = None if evidence.seal_with is None else key_source(evidence.seal_with, evidence.seal_pin)
    await check_keys(database.pool, source)
    return source


def key_source(secret: SecretReference, pin: SecretReference | None, name: str = "evidence.seal_with") -> KeySource:
    """`pin`: of the token on which keys are that the secret names; `name`: of the setting. SettingsError."""
    pin_text = None if pin is None else pin.read()
    return KeySource(secret.read, name, lambda uri: _token_key(uri, pin_text))


def _token_key(uri: str, pin: str | None) -> Cipher:
    from gateway.signer.tokens.sealkeys import TokenSealKey  # its library is only for those who have such a token

    return TokenSealKey(uri, pin)


def settings_of(configs: Path, server: str) -> ServerSettings:
    """Of the security server with this id. SettingsError when no file in the folder is about it."""
    found = [load_server(path, files=False) for path in sorted(configs.glob("*.yaml"))]
    for settings in found:
        if str(settings.server) == server:
            return settings
    known = ", ".join(str(s.server) for s in found) or "none"
    raise SettingsError([f"{configs}: no security server {server} here (known: {known})"])
