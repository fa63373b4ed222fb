"""A registrar for tests: an authority for documents and one signer of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from adapters.hotich.signing import Registrar
from gateway.core.signing.requests import KeyType
from gateway.trust.authority import Authority, Identity, create_root, named, new_key, validity

SINCE = datetime.now(UTC) - timedelta(days=1)  # before any moment that a test takes for now


@cache
def documents_authority() -> Authority:
    return Authority(create_root(named("Test Documents CA"), validity(SINCE, years=1)), lambda _: None)


@cache
def registrar(key_type: KeyType = KeyType.EC_P256) -> Registrar:
    identity: Identity = documents_authority().issue_signing(
        named("Công chức tư pháp - hộ tịch", organisation="Bộ Tư pháp"),
        validity(SINCE, years=0.5),
        new_key(key_type),
    )
    return Registrar(identity.key, identity.certificate)
