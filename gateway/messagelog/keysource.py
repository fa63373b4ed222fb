"""The operator's key-encryption keys while the program runs, and whether they are the right ones for this log."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import TypeVar
from uuid import UUID

import asyncpg

from gateway.core.errors import EvidenceUnavailable, GatewayError, KeyTokenError, MalformedMessage, SettingsError
from gateway.core.sealing.envelope import NONCE_BYTES
from gateway.core.sealing.keys import (
    DataKey,
    KeyEncryptionKey,
    KeyRing,
    TokenKeys,
    WrappedKey,
    no_tokens,
    parse_keyring,
    rewrap,
    unwrap,
    unwrap_bytes,
    wrap,
)
from gateway.messagelog import datakeys

T = TypeVar("T")

_log = logging.getLogger(__name__)


class KeySource:
    """`read` gives the text of the keys, SettingsError when it cannot; `name`: of the setting that says where. It is asked again
    before each new data key and when a key is missing, so keys are rotated while the program runs; a text that went bad leaves the
    keys that were good. `token_keys`: those that are not in the text, but on a token."""

    def __init__(
        self, read: Callable[[], str], name: str = "evidence.seal_with", token_keys: TokenKeys = no_tokens
    ) -> None:
        self._read = read
        self._name = name
        self._token_keys = token_keys
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
        """EvidenceUnavailable when its key-encryption key is not known, or its token does not answer; MalformedMessage when the
        stored key is damaged."""
        return await _used(partial(unwrap, stored, await self.find(stored.kek)))

    async def open_bytes(self, stored: WrappedKey) -> bytes:
        """Of a key that is not there to seal. Errors as in `open`."""
        return await _used(partial(unwrap_bytes, stored, await self.find(stored.kek)))

    async def wrap(self, key: bytes, id: UUID, day: date, member: str) -> WrappedKey:
        """A new data key under the first key-encryption key as it is now. EvidenceUnavailable."""
        first = (await self.renew()).first
        return await _used(partial(wrap, key, first, id, day, member, os.urandom(NONCE_BYTES)))

    async def rewrap(self, stored: WrappedKey) -> WrappedKey:
        """Under the first key-encryption key. Errors as in `open`."""
        kek = await self.find(stored.kek)
        return await _used(partial(rewrap, stored, kek, self.ring.first, os.urandom(NONCE_BYTES)))

    async def find(self, id: str) -> KeyEncryptionKey:
        """EvidenceUnavailable when it is not known."""
        key = self._ring.find(id) or (await self.renew()).find(id)
        if key is None:
            raise EvidenceUnavailable(f"The key-encryption key '{id}' is not among the configured ones")
        return key

    def _parse(self) -> KeyRing:
        try:
            return parse_keyring(self._read(), self._token_keys)
        except MalformedMessage as e:
            raise SettingsError([f"{self._name}: {e.safe_detail}"]) from e


async def _used(work: Callable[[], T]) -> T:
    """In a thread: a token takes its time."""
    try:
        return await asyncio.to_thread(work)
    except KeyTokenError as e:
        raise EvidenceUnavailable(f"The token of a key-encryption key: {e.safe_detail}") from e


async def check_keys(pool: asyncpg.Pool, source: KeySource | None, name: str = "evidence.seal_with") -> None:
    """Every data key in use can be opened: its key-encryption key is there and is the one that wrapped it (tried on one data key
    each). `name`: of the setting that says where the keys are. SettingsError says in words what is missing, and what that means."""
    tried = [await _problem(use, source, name) for use in await datakeys.uses(pool)]
    problems = [problem for problem in tried if problem is not None]
    if problems:
        raise SettingsError([*problems, _WHAT_TO_DO.format(name)])


_WHAT_TO_DO = (
    "put the missing key-encryption keys back into the secret that {} names. What was lost for good cannot be "
    "read again: `python -m gateway sealing destroy --wrapped-by ID` gives up what it sealed, and the log goes on with new keys"
)


async def _problem(use: datakeys.Use, source: KeySource | None, name: str) -> str | None:
    what = f"{use.keys} data key(s) of this message log, {use.first} to {use.last},"
    if source is None:
        return f"{what} are sealed under the key-encryption key '{use.kek}', and {name} is not configured"
    if source.ring.find(use.kek) is None:
        return (
            f"{what} are sealed under the key-encryption key '{use.kek}', which is not among {_ids(source.ring.keys)}"
        )
    try:
        await source.open(use.newest)
    except MalformedMessage:
        return f"{what} do not open with the key-encryption key '{use.kek}': it is not the key that had this id"
    except EvidenceUnavailable as e:
        return f"{what} do not open with the key-encryption key '{use.kek}': {e.safe_detail}"
    return None


def _ids(keys: Sequence[KeyEncryptionKey]) -> str:
    return ", ".join(f"'{key.id}'" for key in keys)
