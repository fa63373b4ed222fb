"""Which of several authentication keys is shown: never one that others cannot know yet, while there is another."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import TrustOutdated
from gateway.core.identifiers import ClientId
from gateway.core.signing.certificates import der
from gateway.core.signing.trust import InstanceTrust
from gateway.signer.authkeys import AuthKeys
from gateway.signer.tokens.software import SoftwareToken
from gateway.trust.authority import Identity
from tests.unit.signer.test_signer import Answers
from tests.unit.trust.pki import G01, NOW, SS1, Pki

SETTLE = timedelta(minutes=10)


class _Server:
    id = SS1


class World:
    """As much of a global configuration as the keys look at, and a clock."""

    def __init__(self, directory: Path) -> None:
        self.pki = Pki(directory)
        self.now = NOW
        self.answers = Answers(self.pki)
        self.registered: set[bytes] = set()
        self.current = True
        self.keys = AuthKeys(SS1, self._globalconf, self.answers, lambda: self.now, SETTLE)

    def _globalconf(self) -> Any:
        return self

    def trust(self, instance: str, now: datetime) -> InstanceTrust:
        return self.pki.trust

    def server_with_auth_cert(self, certificate: bytes, client: ClientId, now: datetime) -> _Server | None:
        assert client == G01
        if not self.current:
            raise TrustOutdated("expired")
        return _Server() if certificate in self.registered else None

    def make(self, *, registered: bool = True, answered: bool = True) -> Identity:
        identity = self.pki.auth()
        if registered:
            self.registered.add(der(identity.certificate))
        if answered:
            self.answers.fetch(identity.certificate)
        return identity

    def use(self, *identities: Identity) -> None:
        self.keys.use([SoftwareToken(i.key, i.certificate) for i in identities])

    def shown(self) -> object:
        return self.keys.current().certificate


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_new_key_takes_over_when_it_has_been_registered_long_enough(world: World) -> None:
    old, new = world.make(), world.make(registered=False)
    world.use(old)
    before = world.keys.current()
    world.use(new, old)
    assert world.keys.current() is before
    world.registered.add(der(new.certificate))
    assert not world.keys.follow()
    world.now += SETTLE - timedelta(seconds=1)
    assert not world.keys.follow()
    world.now += timedelta(seconds=1)
    assert world.keys.follow()
    assert world.shown() == new.certificate
    assert not world.keys.follow()


def test_at_a_start_the_first_that_is_ready_is_shown(world: World) -> None:
    new, old = world.make(registered=False), world.make()
    world.use(new, old)
    assert world.shown() == old.certificate


@pytest.mark.parametrize("lost", ["registration", "answer", "time"])
def test_when_the_key_in_use_is_no_longer_good_another_is_shown_at_once(world: World, lost: str) -> None:
    old, new = world.make(), world.make()
    world.use(old)
    world.use(new, old)
    assert world.shown() == old.certificate
    match lost:
        case "registration":
            world.registered.discard(der(old.certificate))
        case "answer":
            world.answers.forget(old.certificate)
        case "time":
            world.use(new)
    world.keys.follow()
    assert world.shown() == new.certificate


def test_an_interrupted_registration_counts_from_its_last_beginning(world: World) -> None:
    old, new = world.make(), world.make()
    world.use(old)
    world.use(new, old)
    world.now += SETTLE / 2
    world.registered.discard(der(new.certificate))
    world.keys.follow()
    world.registered.add(der(new.certificate))
    world.keys.follow()
    world.now += SETTLE / 2 + timedelta(seconds=1)
    world.keys.follow()
    assert world.shown() == old.certificate


def test_when_none_is_ready_the_first_is_shown_and_the_other_side_says_why(world: World) -> None:
    first, second = world.make(registered=False), world.make(registered=False)
    world.use(first, second)
    assert world.shown() == first.certificate


def test_without_a_usable_configuration_nothing_changes_hands_twice(world: World) -> None:
    old, new = world.make(), world.make()
    world.use(old)
    world.current = False
    world.use(new, old)
    assert world.shown() == new.certificate  # neither is ready; exchanges stop for the configuration itself
    world.current = True
    world.keys.follow()
    assert world.shown() == new.certificate


def test_answers_for_all_keys_are_given_out(world: World) -> None:
    old, new = world.make(), world.make(registered=False)
    world.use(new, old)
    assert world.keys.ocsp_answers().keys() == {der(old.certificate), der(new.certificate)}
    assert [key.certificate for key in world.keys.keys] == [new.certificate, old.certificate]
