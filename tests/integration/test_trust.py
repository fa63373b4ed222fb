"""A global configuration that is over, older than the one believed, or not what the registry signed (reference 3.5, 7.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.registry.publisher import Publication
from tests.integration.test_information_systems import OURS, THEIRS, check_json
from tests.integration.test_peer_requests import fault
from tests.support.handmade import HandMadePeer
from tests.support.rawhttp import answer, head
from tests.support.world import DVC, PERSON, World

OVER = timedelta(hours=3)


async def test_expired_at_the_consumer(world: World) -> None:
    async with world.expect():
        world.clocks["G22-ss1"].shift = OVER
        try:
            got = await world.call()
        finally:
            world.clocks["G22-ss1"].shift = timedelta(0)
        assert got.start_line.startswith("HTTP/1.1 500 ")
        check_json(got, f"{OURS}.global_conf_outdated")


async def test_expired_at_the_consumer_says_soap_outside_rest(world: World) -> None:
    async with world.expect():
        world.clocks["G22-ss1"].shift = OVER
        try:
            got = answer(await world.raw(head("GET /listClients HTTP/1.1", [("Host", "x"), DVC])))
        finally:
            world.clocks["G22-ss1"].shift = timedelta(0)
        assert b"<faultcode>server.clientproxy.global_conf_outdated</faultcode>" in got.body


async def test_expired_at_the_provider(world: World, peer: HandMadePeer) -> None:
    async with world.expect("client request"):
        world.clocks["G01-ss1"].shift = OVER
        try:
            got = await world.call()
            request = peer.request(PERSON)
            told = fault(await peer.post(peer.parts(request.raw), request.request_id))
        finally:
            world.clocks["G01-ss1"].shift = timedelta(0)
        check_json(got, f"{THEIRS}.global_conf_outdated")
        assert told.code == f"{THEIRS}.global_conf_outdated"
        assert not world.service.calls


def older(world: World) -> Callable[[Publication], Publication]:
    return lambda _: world.publisher._publications[-1]


def altered(world: World) -> Callable[[Publication], Publication]:
    def change(now: Publication) -> Publication:
        return replace(now, directories={k: d.replace(b"2", b"3", 1) for k, d in now.directories.items()})

    return change


def unsigned(world: World) -> Callable[[Publication], Publication]:
    return lambda now: replace(now, directories={k: d[: len(d) // 2] for k, d in now.directories.items()})


@pytest.mark.slow
@pytest.mark.parametrize("what", [older, altered, unsigned], ids=lambda f: f.__name__)
async def test_configuration_that_is_not_believed(
    world: World, what: Callable[[World], Callable[[Publication], Publication]]
) -> None:
    """The one believed stays in force, calls go on, and the operator is told."""
    async with world.expect():
        world.publish(what(world))
        try:
            async with asyncio.timeout(10):
                while "could not be renewed" not in await world.health("G22-ss1"):
                    await asyncio.sleep(0.05)
        finally:
            world.publisher._publications.popleft()
