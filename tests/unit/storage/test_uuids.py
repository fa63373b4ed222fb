from __future__ import annotations

from uuid import RFC_4122, UUID

from gateway.storage.uuids import new_uuid


def test_is_a_random_uuid_as_any_other() -> None:
    made = [new_uuid() for _ in range(200)]
    assert len(set(made)) == 200
    assert all(isinstance(u, UUID) and (u.version, u.variant) == (4, RFC_4122) for u in made)
    assert all(UUID(str(u)) == u and hash(UUID(str(u))) == hash(u) for u in made)
    changing = [{u.bytes[n] for u in made} for n in range(16)]
    assert all(len(values) > 8 for values in changing)  # no octet is constant but for version and variant
