"""The operator's key-encryption keys while the program runs, and whether they are the right ones for this log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import asyncpg

from gateway.core.errors import EvidenceUnavailable, GatewayError, MalformedMessage, SettingsError
from gateway.core.sealing.keys import DataKey, KeyEncryptionKey, KeyRing, WrappedKey, parse_keyring, unwrap
from gateway.messagelog import datakeys

_log = logging.getLogger(__name__)


class KeySource:
    """`read` gives the text of the keys, SettingsError when it cannot; `name`: of the setting that says where. It is asked again
    before each new data key and when a key is missing, so keys are rotated while the program runs; a text that went bad leaves the
    keys that were good."""

    def __init__(self, read: Callable[[], str], name: str = "evidence.seal_with") -> None:
        self._read = read
        self._name = name
        self._ring = self._parse()

    @property
    def ring(self) -> KeyRing:
        return self._ring

    async def renew(self) -> KeyRing:
        try:
            self._ring = await asyncio.to_thread(self._parse)
        except GatewayError:
            _log.warning("the key-encryption keys cannot be read anew: the known ones stay in use")
        return self._ring

    async def open(self, stored: WrappedKey) -> DataKey:
        """EvidenceUnavailable when its key-encryption key is not known; MalformedMessage when the stored key is damaged."""
        return unwrap(stored, await self.find(stored.kek))

    async def find(self, id: str) -> KeyEncryptionKey:
        """EvidenceUnavailable when it is not known."""
        key = self._ring.find(id) or (await self.renew()).find(id)
        if key is None:
            raise EvidenceUnavailable(f"The key-encryption key '{id}' is not among the configured ones")
        return key

    def _parse(self) -> KeyRing:
        try:
            return parse_keyring(self._read())
        except MalformedMessage as e:
            raise SettingsError([f"{self._name}: {e.safe_detail}"]) from e


async def check_keys(pool: asyncpg.Pool, source: KeySource | None, name: str = "evidence.seal_with") -> None:
    """Every data key in use can be opened: its key-encryption key is there and is the one that wrapped it (tried on one data key
    each). `name`: of the setting that says where the keys are. SettingsError says in words what is missing, and what that means."""
    problems = [problem for use in await datakeys.uses(pool) if (problem := _problem(use, source, name)) is not None]
    if problems:
        raise SettingsError([*problems, _WHAT_TO_DO.format(name)])


_WHAT_TO_DO = (
    "put the missing key-encryption keys back into the secret that {} names. What was lost for good cannot be "
    "read again: `python -m gateway sealing destroy --wrapped-by ID` gives up what it sealed, and the log goes on with new keys"
)


def _problem(use: datakeys.Use, source: KeySource | None, name: str) -> str | None:
    what = f"{use.keys} data key(s) of this message log, {use.first} to {use.last},"
    if source is None:
        return f"{what} are sealed under the key-encryption key '{use.kek}', and {name} is not configured"
    kek = source.ring.find(use.kek)
    if kek is None:
        return (
            f"{what} are sealed under the key-encryption key '{use.kek}', which is not among {_ids(source.ring.keys)}"
        )
    try:
        unwrap(use.newest, kek)
    except MalformedMessage:
        return f"{what} do not open with the key-encryption key '{use.kek}': it is not the key that had this id"
    return None


def _ids(keys: Sequence[KeyEncryptionKey]) -> str:
    return ", ".join(f"'{key.id}'" for key in keys)
