"""What only the owner may do with data keys: wrap them under another key-encryption key, and destroy them.

Rotation of the key-encryption key, while servers run: put the new key in front of the old one in the secret (servers read it again
by themselves), `rewrap`, take the old one away. Records are not touched: their data keys stay the same.

Destroying a data key shreds the message parts and bodies of one member and one day. If we crash in the middle, a key is destroyed
with its reason or not at all. Records, signatures, digests and time-stamps stay, and citizens are told how many access records
of which days there were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from gateway.core.errors import EvidenceUnavailable, MalformedMessage, SettingsError
from gateway.core.sealing.keys import WrappedKey
from gateway.exchange.ports import Clock
from gateway.messagelog import datakeys
from gateway.messagelog.archivetables import ArchiveTables
from gateway.messagelog.datakeys import Listed
from gateway.messagelog.keysource import KeySource
from gateway.storage.database import Database

_SETTLED = timedelta(days=2)  # servers may seal under a day's key a little after midnight, and their clocks differ


@dataclass(frozen=True, slots=True)
class Selection:
    """Data keys in use. `member`: readable form; `first`, `last`: days, both included; `kek`: id of the key around them. None: all
    of them."""

    member: str | None = None
    first: date | None = None
    last: date | None = None
    kek: str | None = None


class KeyAdministration:
    """DATABASE_ERRORS pass through, EvidenceUnavailable when the database does not answer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def listed(self, selection: Selection) -> list[Listed]:
        """Oldest first."""
        async with self._database.owner() as owner:
            return await datakeys.listed(
                owner, member=selection.member, first=selection.first, last=selection.last, kek=selection.kek
            )

    async def rewrap(self, source: KeySource) -> int:
        """All data keys under the first key-encryption key; how many were not. EvidenceUnavailable when one cannot be opened:
        then none was changed."""
        async with self._database.owner() as owner:
            under = source.ring.first
            found = await datakeys.wrapped_otherwise(owner, under.id)
            await datakeys.replace_wrapping(owner, [await self._rewrapped(key, source) for key in found])
            return len(found)

    async def _rewrapped(self, key: WrappedKey, source: KeySource) -> WrappedKey:
        try:
            return await source.rewrap(key)
        except MalformedMessage as e:
            raise EvidenceUnavailable(f"The data key of {key.member} for {key.day} does not open") from e

    async def destroy(
        self, keys: Sequence[Listed], by: str, reason: str, *, rule: str | None = None, lost: bool = False
    ) -> None:
        """Nobody can read what they sealed any more. `by`, `reason`: kept in the log for ever. `rule`: what every citizen is told,
        beside the number of access records; None: that none was stated. `lost`: they cannot be opened
        anyhow, and nobody seals under them now. SettingsError, and nothing is destroyed, when one is of today or yesterday and not
        lost, or its records are just being archived."""
        keys = [key for key in keys if lost or key.day != datakeys.FOR_EVER]
        recent = [key for key in keys if not lost and key.day > self._clock().date() - _SETTLED]
        if recent:
            raise SettingsError([f"{k.member} {k.day}: a day's key can be destroyed two days later" for k in recent])
        ids: list[UUID] = [key.id for key in keys]
        async with self._database.owner() as owner:
            archives = ArchiveTables(owner)
            if not await archives.lock():
                raise SettingsError(["the archiver is at work: try again when it is done"])
            if (waiting := await archives.in_the_making(ids)) > 0:
                raise SettingsError([f"{waiting} of the records are in an archive that is not finished: archive first"])
            await datakeys.destroy(owner, ids, by, reason, rule)
