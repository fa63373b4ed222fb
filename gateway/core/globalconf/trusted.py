"""What is believed about one instance, and in which order new claims are looked at (in the manner of TUF's trusted set).

    anchor -> directory -> files -> accept

1. A directory is parsed; its signature verifies with a certificate of the anchor, or of the shared parameters already
   believed (key rotation; reference 7.1, 7.2); it is of the anchor's instance.
2. It has not expired at `now`.
3. It is not older than the one believed (below).
4. Each file has the hash that the directory says, parses, and names the same instance.
5. Only a complete candidate replaces what is believed; until then, and whenever a step fails, nothing changes.

Rollback. X-Road's directories have no serial number. Compared are the time stamps in the locations of their files
(`/V6/20251110170000548026000/...`), whatever the version; when both are equal, or one has none, the expiry times. Older is
refused, equal is fine. X-Road does not check this: for as long as a directory has not expired it can be played back to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.core.digest import Digest
from gateway.core.errors import MalformedMessage, SignatureRejected, TrustOutdated
from gateway.core.globalconf.assembly import (
    FOREIGN_IDENTIFIERS,
    OWN_IDENTIFIERS,
    ConfigurationPart,
    assemble,
    parse_part,
)
from gateway.core.globalconf.directory import SHARED, PartReference, SignedDirectory, parse_directory, verify_directory
from gateway.core.globalconf.model import Anchor, GlobalConfiguration, PrivateParameters, SharedParameters


@dataclass(slots=True)
class _Claim:
    """A directory and those of its files that are here. `body`: as received."""

    body: bytes
    directory: SignedDirectory
    wanted: tuple[PartReference, ...]
    parts: dict[PartReference, ConfigurationPart] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[PartReference, ...]:
        return tuple(r for r in self.wanted if r not in self.parts)

    @property
    def shared(self) -> SharedParameters | None:
        return next((p.value for p in self.parts.values() if isinstance(p.value, SharedParameters)), None)


class TrustedSet:
    """One instance's configuration. `external`: a federated instance, from which only shared parameters are taken."""

    def __init__(self, anchor: Anchor, *, external: bool = False) -> None:
        self.anchor = anchor
        self._external = external
        self._trusted: _Claim | None = None
        self._candidate: _Claim | None = None

    @property
    def instance(self) -> str:
        return self.anchor.instance

    @property
    def body(self) -> bytes | None:
        """The believed directory as received: with the files it is all that must be kept over a restart."""
        return None if self._trusted is None else self._trusted.body

    @property
    def files(self) -> dict[Digest, bytes]:
        """The files of the believed directory, by their hash in it."""
        return {} if self._trusted is None else {r.digest: part.data for r, part in self._trusted.parts.items()}

    @property
    def shared(self) -> SharedParameters | None:
        return None if self._trusted is None else self._trusted.shared

    @property
    def private(self) -> PrivateParameters | None:
        parts = () if self._trusted is None else self._trusted.parts.values()
        return next((p.value for p in parts if isinstance(p.value, PrivateParameters)), None)

    def offer_directory(self, body: bytes, now: datetime) -> tuple[PartReference, ...]:
        """Steps 1 to 3. Returns the files that must be offered before `accept`; those whose content is here already are not
        among them.

        MalformedMessage and SignatureRejected with X-Road's `global_conf_*` codes; TrustOutdated (`global_conf_outdated`) for
        an expired or older directory.
        """
        self._candidate = None
        claim = self._claim(body)
        directory = claim.directory
        verify_directory(directory, (*self.anchor.verification_certificates, *self._certificates_of(self._trusted)))
        if now >= directory.expires:
            raise TrustOutdated("The configuration directory has expired")
        if self._trusted is not None and _is_older(directory, self._trusted.directory):
            raise TrustOutdated("The configuration directory is older than the one already believed")
        self._take_what_is_here(claim)
        self._candidate = claim
        return claim.missing

    def restore(self, body: bytes, files: Sequence[bytes]) -> None:
        """Believe again what was believed before a restart: `body` and `files` as this set once gave them out.

        They come from our own disk and were verified when they were saved, so that expiry is not looked at (whoever uses the
        configuration does) and a rotated key is known from the very parameters that it signed. Everything else is checked.
        """
        claim = self._claim(body)
        by_digest = {r.digest.algorithm.of(data): data for r in claim.wanted for data in files}
        for reference in claim.wanted:
            if reference.digest not in by_digest:
                raise MalformedMessage("a saved configuration file is missing", code="malformed_global_conf")
            self._check_part(claim, reference, by_digest[reference.digest])
        verify_directory(claim.directory, (*self.anchor.verification_certificates, *self._certificates_of(claim)))
        self._trusted, self._candidate = claim, None

    def offer_part(self, reference: PartReference, data: bytes) -> None:
        """Step 4. SignatureRejected (`global_conf_part_downloaded_file_integrity_failure`) or MalformedMessage."""
        candidate = self._expect_candidate()
        if reference not in candidate.wanted:
            raise RuntimeError("a file that the offered directory does not have")
        self._check_part(candidate, reference, data)

    def accept(self) -> None:
        """Step 5."""
        candidate = self._expect_candidate()
        if candidate.missing:
            raise RuntimeError("files of the offered directory are missing")
        self._trusted, self._candidate = candidate, None

    def configuration(
        self, foreign: Iterable[TrustedSet] = (), previous: GlobalConfiguration | None = None
    ) -> GlobalConfiguration:
        """What is believed, together with federated instances. TrustOutdated when nothing is believed yet."""
        if self._trusted is None:
            raise TrustOutdated("There is no global configuration yet")
        claims = {t.instance: t._trusted for t in (*foreign, self) if t._trusted is not None}
        parts = [part for claim in claims.values() for part in claim.parts.values()]
        expiries = {instance: claim.directory.expires for instance, claim in claims.items()}
        return assemble(self.instance, parts, expiries, previous)

    def _claim(self, body: bytes) -> _Claim:
        directory = parse_directory(body)
        if directory.instance != self.instance:
            raise SignatureRejected(
                "The configuration directory is of another instance than the anchor",
                code="global_conf_part_invalid_instance_identifier",
            )
        identifiers = FOREIGN_IDENTIFIERS if self._external else OWN_IDENTIFIERS
        wanted = tuple(r for r in directory.parts if r.identifier in identifiers)
        if SHARED not in {r.identifier for r in wanted}:
            raise MalformedMessage(
                "The configuration directory has no shared parameters",
                code="global_conf_parsing_downloaded_conf_directory_failure",
            )
        return _Claim(body, directory, wanted)

    def _check_part(self, claim: _Claim, reference: PartReference, data: bytes) -> None:
        if reference.digest.algorithm.of(data) != reference.digest:
            raise SignatureRejected(
                "A configuration file is not the one that the directory names",
                code="global_conf_part_downloaded_file_integrity_failure",
            )
        claim.parts[reference] = parse_part(reference.identifier, self.instance, claim.directory.version, data)

    def _take_what_is_here(self, claim: _Claim) -> None:
        held = {} if self._trusted is None else {r.digest: part for r, part in self._trusted.parts.items()}
        for reference in claim.missing:
            part = held.get(reference.digest)
            if part is None:
                continue
            if (part.identifier, part.version) == (reference.identifier, claim.directory.version):
                claim.parts[reference] = part
            else:
                self._check_part(claim, reference, part.data)

    def _certificates_of(self, claim: _Claim | None) -> Iterable[bytes]:
        shared = None if claim is None else claim.shared
        for source in () if shared is None else shared.sources:
            yield from source.external_certificates if self._external else source.internal_certificates

    def _expect_candidate(self) -> _Claim:
        if self._candidate is None:
            raise RuntimeError("no directory was offered")
        return self._candidate


def _is_older(new: SignedDirectory, old: SignedDirectory) -> bool:
    if new.stamp and old.stamp and new.stamp != old.stamp:
        return new.stamp.ljust(32, "0") < old.stamp.ljust(32, "0")
    return new.expires < old.expires
