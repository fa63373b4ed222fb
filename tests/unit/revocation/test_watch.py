"""Certificates of others, about which we ask ourselves: revoked ones are refused although their holders show good answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.core.errors import TrustOutdated
from gateway.core.signing.certificates import der
from gateway.core.signing.revoked import RevokedCertificates
from gateway.core.signing.trust import InstanceTrust
from gateway.revocation.watch import RevocationWatch
from gateway.trust.responder import OcspResponder
from gateway.trust.status import CertificateIndex
from tests.unit.signer.test_ocsp_client import World, listening
from tests.unit.trust.pki import Pki

INTERVAL = timedelta(minutes=20)
UNSPECIFIED = x509.ReasonFlags.unspecified


class Known:
    """Verdicts on these certificates."""

    def __init__(self, *certificates: tuple[str, bytes]) -> None:
        self.found = set(certificates)

    def certificates(self) -> set[tuple[str, bytes]]:
        return self.found


class Trusting:
    """What of a global configuration is looked at."""

    def __init__(self, world: World) -> None:
        self._world = world

    def trust(self, instance: str, now: object) -> InstanceTrust:
        if not self._world.trusted:
            raise TrustOutdated("No global configuration")
        assert instance == "VN"
        return self._world.pki.trust


class Watching:
    def __init__(self, world: World) -> None:
        self.world = world
        self.certificate = der(world.certificate)
        self.revoked = RevokedCertificates()
        self.known = Known(("VN", self.certificate))
        self.watch = RevocationWatch(
            (self.known, Known()),
            self.revoked,
            lambda: Trusting(world),  # type: ignore[arg-type, return-value]
            world.clock,
            lambda: INTERVAL,
        )

    async def after(self, passed: timedelta = INTERVAL) -> bool:
        self.world.now += passed
        await self.watch.round()
        return self.certificate in self.revoked


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[Watching]:
    world = World(tmp_path)
    async with listening(world.handle) as server:
        world.pki.urls = (str(server.make_url("/ocsp")),)
        yield Watching(world)


async def test_revocation_takes_effect_within_the_interval_and_not_before_somebody_says_so(watching: Watching) -> None:
    world = watching.world
    assert not await watching.after(timedelta())
    world.pki.index.revoke(world.certificate, world.now, UNSPECIFIED)
    assert not await watching.after(INTERVAL - timedelta(seconds=1))  # asked when it was first seen, and not due again
    assert len(world.asked) == 1
    assert await watching.after(timedelta(seconds=1))
    assert (watching.watch.refused, watching.watch.unanswered, len(world.asked)) == (1, 0, 2)


async def test_one_first_seen_after_it_was_revoked_is_asked_about_at_the_next_look(watching: Watching) -> None:
    watching.world.pki.index.revoke(watching.world.certificate, watching.world.now, UNSPECIFIED)
    assert await watching.after(timedelta(seconds=5))


async def test_a_clock_that_was_set_back_does_not_stop_the_asking(watching: Watching) -> None:
    assert not await watching.after(timedelta(hours=2))
    watching.world.pki.index.revoke(watching.world.certificate, watching.world.now - timedelta(hours=1), UNSPECIFIED)
    assert await watching.after(-timedelta(minutes=30))


async def test_good_again_lifts_what_was_on_hold(watching: Watching, tmp_path: Path) -> None:
    world = watching.world
    held = CertificateIndex(tmp_path / "held.json")
    held.record(world.certificate)
    held.revoke(world.certificate, world.now, x509.ReasonFlags.certificate_hold)
    responder = OcspResponder(world.pki.root.certificate, world.pki.ocsp_signer, held, timedelta(minutes=30))
    world.answer = lambda request: responder.answer(request, world.now)
    assert await watching.after()
    world.answer = world.honest
    assert not await watching.after()
    assert watching.watch.refused == 0


@pytest.mark.parametrize("kind", ["error", "garbage", "somebody else's", "unknown", "two days old"])
@pytest.mark.parametrize("before", [False, True], ids=["good", "revoked"])
async def test_what_is_no_answer_to_be_believed_changes_nothing(
    watching: Watching, kind: str, before: bool, tmp_path: Path
) -> None:
    world = watching.world
    if before:
        world.pki.index.revoke(world.certificate, world.now, UNSPECIFIED)
    assert await watching.after() is before
    other = CertificateIndex(tmp_path / "other.json")  # that says the opposite
    if kind != "unknown":
        other.record(world.certificate)
        if not before:
            other.revoke(world.certificate, world.now, UNSPECIFIED)
    signer = Pki(tmp_path).ocsp_signer if kind == "somebody else's" else world.pki.ocsp_signer
    responder = OcspResponder(world.pki.root.certificate, signer, other, timedelta(minutes=30))
    asked_at = -timedelta(days=2) if kind == "two days old" else timedelta()
    answers: dict[str, bytes | int] = {"error": 500, "garbage": b"\x30\x03\x0a\x01\x00" + bytes(100)}
    world.answer = lambda request: answers.get(kind) or responder.answer(request, world.now + asked_at)
    assert await watching.after() is before
    assert watching.watch.unanswered == 1


async def test_without_a_usable_configuration_nothing_is_learned(watching: Watching) -> None:
    watching.world.trusted = False
    assert not await watching.after()
    assert (watching.watch.unanswered, watching.world.asked) == (1, [])


async def test_nobody_asks_about_what_there_is_no_verdict_on(watching: Watching) -> None:
    watching.known.found = set()
    assert not await watching.after()
    assert watching.world.asked == []
