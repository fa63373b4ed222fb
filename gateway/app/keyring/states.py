"""`gateway keys list` and `gateway keys due`: what the keys of a server are worth now, judged by the code that uses them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from gateway.app.keyring.files import Use
from gateway.app.keys import ServerKeys
from gateway.app.listeners import clock
from gateway.confclient.client import ConfigurationClient
from gateway.core.errors import GatewayError, SettingsError
from gateway.core.identifiers import MemberId
from gateway.settings.server import KeySettings, ServerSettings


@dataclass(frozen=True, slots=True)
class KeyState:
    """`registered`: None where nothing is to be registered. `active`: what a server that starts now would use, or show. `ocsp`: why
    there is no good answer; None when there is one, or none is needed."""

    use: Use
    holder: str
    key: KeySettings
    certificate: x509.Certificate
    ocsp: str | None
    registered: bool | None
    active: bool

    def left(self, now: datetime) -> timedelta:
        return self.certificate.not_valid_after_utc - now


@asynccontextmanager
async def configuration(settings: ServerSettings) -> AsyncIterator[ConfigurationClient]:
    """The global configuration as this server would believe it. Its own state is copied and left alone: it may be running."""
    with tempfile.TemporaryDirectory(prefix="gateway-keys-") as folder:
        own, copy = settings.state_directory / "globalconf", Path(folder) / "globalconf"
        if settings.global_configuration.directory is None:
            await asyncio.to_thread(_copy, own, copy)
        client = ConfigurationClient(settings.global_configuration, copy, clock)
        await client.start()
        yield client


def _copy(own: Path, copy: Path) -> None:
    """All or nothing: without the anchor that the server believes, whatever the network gives would be believed instead."""
    try:
        if own.exists():
            shutil.copytree(own, copy)
    except OSError as e:
        raise SettingsError([f"{own}: what the server believes cannot be read"]) from e


async def key_states(settings: ServerSettings) -> list[KeyState]:
    """Every key of the settings, with OCSP answers asked for now. GatewayError when one cannot be opened."""
    async with configuration(settings) as client:
        with tempfile.TemporaryDirectory(prefix="gateway-keys-") as folder:
            keys = ServerKeys(settings, client, clock, Path(folder))
            await keys.use(settings.keys)
            return list(_states(settings, client, keys, clock()))


def _states(
    settings: ServerSettings, client: ConfigurationClient, keys: ServerKeys, now: datetime
) -> Iterable[KeyState]:
    conf, server = client.current(), settings.server
    holders = keys.signer.holders(server.instance, now)
    if len(holders) != len(settings.keys.signing):
        raise SettingsError(["keys.signing: the same certificate stands there twice"])
    for own, (holder, certificate) in zip(settings.keys.signing, holders, strict=True):
        active = _signs_with(keys, holder, now) == certificate
        yield KeyState("sign", holder, own, certificate, _ocsp(keys, certificate), None, active)
    for own, key in zip(settings.keys.authentication, keys.authentication.keys, strict=True):
        at = conf.server_with_auth_cert(key.chain[0], server.owner, now)
        registered = at is not None and at.id == server
        shown = key is keys.authentication.current()
        yield KeyState("auth", str(server), own, key.certificate, _ocsp(keys, key.certificate), registered, shown)
    if keys.internal is not None and settings.keys.internal_tls is not None:
        yield KeyState("tls", str(server), settings.keys.internal_tls, keys.internal.certificate, None, None, True)


def _signs_with(keys: ServerKeys, holder: str, now: datetime) -> x509.Certificate | None:
    pieces = holder.split("/")
    if len(pieces) != 3:  # a subject: whose the certificate is cannot be told
        return None
    try:
        return keys.signer.credential(MemberId(*pieces), now).certificate
    except GatewayError:
        return None  # nobody signs for this member now; the list shows it


def _ocsp(keys: ServerKeys, certificate: x509.Certificate) -> str | None:
    return None if keys.ocsp.get(certificate) else keys.ocsp.problem(certificate) or "no answer"


def due(states: Sequence[KeyState], within: timedelta, now: datetime) -> list[KeyState]:
    """Keys that end within that time and have no successor yet: another key of the same holder and use that lasts longer."""

    def lasts(state: KeyState) -> bool:
        return state.left(now) > within

    covered = {(s.use, s.holder) for s in states if lasts(s)}
    return [s for s in states if not lasts(s) and (s.use, s.holder) not in covered]


def as_json(state: KeyState, now: datetime) -> dict[str, object]:
    return {
        "use": state.use,
        "holder": state.holder,
        "subject": state.certificate.subject.rfc4514_string(),
        "serial": f"{state.certificate.serial_number:x}",
        "not_after": state.certificate.not_valid_after_utc.isoformat(),
        "days_left": state.left(now).days,
        "ocsp": "none needed" if state.use == "tls" else state.ocsp or "good",
        "registered": state.registered,
        "active": state.active,
    }


def as_line(state: KeyState, now: datetime) -> str:
    seen = as_json(state, now)
    facts = [
        f"{seen['days_left']} days left",
        *([] if state.use == "tls" else [f"OCSP: {seen['ocsp']}"]),
        *([] if state.registered is None else ["registered" if state.registered else "NOT registered"]),
        *(["active"] if state.active else []),
    ]
    return f"{state.use:<5}{state.holder}  {seen['subject']}  serial {seen['serial']}  {'; '.join(facts)}"
