"""What is known is fetched ahead of time, kept over restarts and outages, and asked for where the settings say only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.x509 import ocsp

from gateway.core.content.document import DocumentRule
from gateway.core.content.finding import Policy
from gateway.core.documents.revocation import KnownRevocations, RevocationRule, Source
from gateway.core.signing.trust import InstanceTrust
from gateway.revocation.keeper import RevocationKeeper
from gateway.revocation.kept import parse_kept, print_kept
from gateway.revocation.sources import PublishedRevocations
from tests.support.documents import OLDEST, Documents
from tests.support.revocations import revocation_list

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


class Published:
    """An authority that publishes lists and answers; `away`: it does neither. `asked`: paths, in order."""

    def __init__(self, world: Documents) -> None:
        self.world = world
        self.list = revocation_list(world)
        self.away = False
        self.asked: list[str] = []
        app = web.Application()
        app.router.add_get("/list", self._get)
        app.router.add_post("/ocsp", self._post)
        self.server = TestServer(app)

    @property
    def now(self) -> datetime:
        return self.world.pki.now

    async def _get(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(status=503) if self.away else web.Response(body=self.list)

    async def _post(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        wanted = ocsp.load_der_ocsp_request(await request.read())
        assert wanted.serial_number == self.world.signer.certificate.serial_number
        return (
            web.Response(status=503)
            if self.away
            else web.Response(body=self.world.pki.ocsp(self.world.signer.certificate))
        )

    def keeper(self, folder: Path, source: Source, *, trust: InstanceTrust | None = None) -> RevocationKeeper:
        url = str(self.server.make_url("/list" if source is Source.CRL else "/ocsp"))
        of = PublishedRevocations(source, (url,), trust or self.world.trust, _HOUR, _DAY)
        return RevocationKeeper([of], lambda: self.now, folder / "revocations")

    def cause(self, known: KnownRevocations, source: Source = Source.CRL) -> str:
        """Of a document that the signer sends now."""
        rule = DocumentRule(Policy.BLOCK, None, self.world.trust, 1 << 20, OLDEST, None, RevocationRule(source, _DAY))
        return rule.examine(self.world.signed(), self.now, known).cause


@pytest_asyncio.fixture
async def published() -> AsyncIterator[Published]:
    found = Published(Documents())
    await found.server.start_server()
    yield found
    await found.server.close()


async def test_a_revocation_is_learnt_with_the_next_look(published: Published, tmp_path: Path) -> None:
    keeper = published.keeper(tmp_path, Source.CRL)
    await keeper.start()
    assert published.cause(keeper.current()) == "good"
    published.world.pki.now += timedelta(minutes=59)
    published.list = revocation_list(published.world, published.world.signer)
    await keeper.refresh()
    assert (published.cause(keeper.current()), len(published.asked)) == ("good", 1), "it is not due yet"
    published.world.pki.now += timedelta(minutes=1)
    await keeper.refresh()
    assert (published.cause(keeper.current()), keeper.problems) == ("revoked", {})


async def test_an_older_list_is_not_believed(published: Published, tmp_path: Path) -> None:
    older = published.list
    published.world.pki.now += _HOUR
    published.list = revocation_list(published.world, published.world.signer)
    keeper = published.keeper(tmp_path, Source.CRL)
    await keeper.start()
    published.list = older
    published.world.pki.now += _HOUR
    await keeper.refresh()
    assert published.cause(keeper.current()) == "revoked"


async def test_an_outage_is_told_and_what_is_known_grows_old(published: Published, tmp_path: Path) -> None:
    keeper = published.keeper(tmp_path, Source.CRL)
    await keeper.start()
    published.away = True
    published.world.pki.now += 2 * _HOUR
    await keeper.refresh()
    assert list(keeper.problems.values()) == [f"{published.server.make_url('/list')} answers with HTTP status 503"]
    assert published.cause(keeper.current()) == "good"
    published.world.pki.now += _DAY
    assert published.cause(keeper.current()) == "status_unknown"
    published.away, published.list = False, revocation_list(published.world)
    await keeper.refresh()
    assert (published.cause(keeper.current()), keeper.problems) == ("good", {})


async def test_a_restart_during_an_outage_knows_what_was_known(published: Published, tmp_path: Path) -> None:
    published.list = revocation_list(published.world, published.world.signer)
    await published.keeper(tmp_path, Source.CRL).start()
    published.away = True
    again = published.keeper(tmp_path, Source.CRL)
    await again.start()
    assert published.cause(again.current()) == "revoked"
    (file,) = (tmp_path / "revocations").iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    spoilt = published.keeper(tmp_path, Source.CRL)
    await spoilt.start()
    assert published.cause(spoilt.current()) == "status_unknown", "what is on disk is verified again"


async def test_a_list_of_somebody_else_is_not_believed(published: Published, tmp_path: Path) -> None:
    stranger = published.world.pki.issue_ca("Somebody")
    published.list = revocation_list(published.world, published.world.signer, signer=stranger)
    keeper = published.keeper(tmp_path, Source.CRL)
    await keeper.start()
    assert keeper.current() == KnownRevocations()
    assert len(keeper.problems) == 1


async def test_an_answer_is_asked_for_once_somebody_showed_the_certificate(
    published: Published, tmp_path: Path
) -> None:
    world = published.world
    trust = world.pki.trust()
    keeper = published.keeper(tmp_path, Source.OCSP, trust=trust)
    await keeper.start()
    assert published.asked == []
    link = (world.signer.certificate, world.pki.ca.certificate)
    for _ in range(3):
        keeper.want([link])
    await keeper.refresh()
    assert published.asked == ["/ocsp"]
    assert published.cause(keeper.current(), Source.OCSP) == "good"
    world.pki.revoke(world.signer.certificate)
    world.pki.now += _HOUR
    await keeper.refresh()
    assert published.cause(keeper.current(), Source.OCSP) == "revoked"


async def _asked_and_answered(published: Published, folder: Path) -> RevocationKeeper:
    keeper = published.keeper(folder, Source.OCSP, trust=published.world.pki.trust())
    await keeper.start()
    keeper.want([(published.world.signer.certificate, published.world.pki.ca.certificate)])
    await keeper.refresh()
    return keeper


async def test_a_restart_while_the_responder_is_away_refuses_nothing_that_was_good(
    published: Published, tmp_path: Path
) -> None:
    world = published.world
    await _asked_and_answered(published, tmp_path)
    published.away = True
    world.pki.now += timedelta(minutes=1)
    again = published.keeper(tmp_path, Source.OCSP, trust=world.pki.trust())
    await again.start()
    assert published.cause(again.current(), Source.OCSP) == "good"
    assert published.asked == ["/ocsp"], "the start did not wait for it, and it is not due yet"
    world.pki.now += _DAY
    await again.refresh()
    assert published.cause(again.current(), Source.OCSP) == "status_unknown", "it grows as old as before"
    assert len(published.asked) == 2


async def test_who_was_revoked_stays_so_over_a_restart_however_old_the_answer(
    published: Published, tmp_path: Path
) -> None:
    world = published.world
    world.pki.revoke(world.signer.certificate)
    await _asked_and_answered(published, tmp_path)
    published.away = True
    world.pki.now += 3 * _DAY
    again = published.keeper(tmp_path, Source.OCSP, trust=world.pki.trust())
    await again.start()
    assert published.cause(again.current(), Source.OCSP) == "revoked"
    world.pki.now += 5 * _DAY
    forgotten = published.keeper(tmp_path, Source.OCSP, trust=world.pki.trust())
    await forgotten.start()
    assert forgotten.current() == KnownRevocations()
    assert list((tmp_path / "revocations").iterdir()) == []


async def test_what_was_kept_is_verified_again(published: Published, tmp_path: Path) -> None:
    world, trust = published.world, published.world.pki.trust()
    await _asked_and_answered(published, tmp_path)
    (file,) = (tmp_path / "revocations").iterdir()
    whole, kept = file.read_bytes(), parse_kept(file.read_bytes())
    for altered in (
        print_kept(replace(kept, response=kept.response[:-1] + b"\0")),
        print_kept(replace(kept, came=kept.came - 2 * _DAY)),
        print_kept(replace(kept, link=(world.stranger().certificate, kept.link[1]))),
        whole[:-10],
    ):
        file.write_bytes(altered)
        again = published.keeper(tmp_path, Source.OCSP, trust=trust)
        await again.start()
        assert again.current() == KnownRevocations(), altered
    file.mkdir()
    stubborn = published.keeper(tmp_path, Source.OCSP, trust=trust)
    await stubborn.start()
    assert stubborn.current() == KnownRevocations(), "what cannot be read keeps nobody from starting"
    file.rmdir()
    file.write_bytes(whole)
    other = published.keeper(tmp_path, Source.OCSP, trust=Documents().trust)
    await other.start()
    assert other.current() == KnownRevocations(), "of an authority that is not on the list any more"


async def test_nobody_is_asked_about_certificates_of_others(published: Published, tmp_path: Path) -> None:
    keeper = published.keeper(tmp_path, Source.OCSP)
    stranger = published.world.stranger()
    keeper.want([(stranger.certificate, stranger.certificate)])
    await keeper.refresh()
    assert published.asked == []
    lists = published.keeper(tmp_path, Source.CRL)
    lists.want([(published.world.signer.certificate, published.world.pki.ca.certificate)])
    await lists.refresh()
    assert published.asked == ["/list"], "with lists there is nothing to ask about one certificate"


async def test_without_a_source_nothing_is_known_and_nothing_fetched(tmp_path: Path) -> None:
    keeper = RevocationKeeper((), lambda: Documents().now, tmp_path)
    await keeper.start()
    await keeper.refresh()
    assert keeper.current() == KnownRevocations()
