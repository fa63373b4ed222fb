"""Where the services of a security server look whether signers of documents were revoked, as one keeper of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gateway.core.documents.revocation import Source
from gateway.exchange.ports import Clock
from gateway.revocation.keeper import RevocationKeeper
from gateway.revocation.sources import PublishedRevocations
from gateway.settings.server import ServerSettings


def revocation_keeper(settings: ServerSettings, clock: Clock, state: Path) -> RevocationKeeper:
    """It knows nothing, and asks nobody, when no service says where to look."""
    return RevocationKeeper(tuple(_published(settings)), clock, state / "revocations")


def _published(settings: ServerSettings) -> Iterator[PublishedRevocations]:
    for client in settings.clients:
        for service in client.services:
            documents = service.documents
            if documents is None or documents.revocation.source == "none":
                continue
            found = documents.revocation
            source, trust = Source(found.source), documents.authorities()
            yield PublishedRevocations(source, found.urls, trust, found.refresh, found.freshest)
