"""The trust role publishes lists of other authorities, and each has what was revoked a moment ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509

from gateway.core.documents.revocation import read_list
from gateway.trust.authority import Authority, create_root, named, validity
from gateway.trust.listing import RevocationListing
from gateway.trust.service import add_revocation_lists
from gateway.trust.status import CertificateIndex

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_a_list_is_there_and_says_who_was_revoked(tmp_path: Path) -> None:
    index = CertificateIndex(tmp_path / "index.json")
    root = create_root(named("CA of facilities"), validity(NOW, years=10))
    facility = Authority(root, index.record).issue_signing(named("99901"), validity(NOW, years=2)).certificate
    app = web.Application()
    listing = RevocationListing(root, index, timedelta(hours=24))
    add_revocation_lists(app, {"facilities": listing}, lambda: NOW)
    async with TestClient(TestServer(app)) as client:

        async def fetched() -> bytes:
            async with client.get("/crl/facilities.crl") as answer:
                assert (answer.status, answer.content_type) == (200, "application/pkix-crl")
                return await answer.read()

        before = read_list(await fetched(), [root.certificate])
        assert (before.revoked, before.this_update, before.next_update) == (frozenset(), NOW, NOW + timedelta(hours=24))
        index.revoke(facility, NOW, x509.ReasonFlags.key_compromise)
        data = await fetched()
        assert read_list(data, [root.certificate]).revoked == {facility.serial_number}
        (entry,) = x509.load_der_x509_crl(data)
        assert entry.extensions[0].value == x509.CRLReason(x509.ReasonFlags.key_compromise)
        assert (await client.get("/crl/others.crl")).status == 404
        (tmp_path / "index.json").write_text("{")
        assert (await client.get("/crl/facilities.crl")).status == 500, "a damaged index is not an empty list"
