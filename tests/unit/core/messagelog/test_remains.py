"""What a shredded record still says: the digests that were signed, and who signed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.digest import sha512
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import MemberId, SubsystemId
from gateway.core.messagelog.remains import own_client_column, remaining_digests, remaining_signer
from tests.support.containers import ContainerWorld


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


@pytest.mark.parametrize("body", [None, b"", b"{}"])
def test_the_digests_are_those_that_were_signed(world: ContainerWorld, body: bytes | None) -> None:
    record = world.record(body=body)
    digests = remaining_digests(replace(record, part=b""))
    assert digests.message == sha512(record.part)
    assert digests.attachments == (() if body is None else (sha512(body),))


def test_the_signer_stands_in_the_clear_columns(world: ContainerWorld) -> None:
    request, response = world.record(), world.record("response")
    assert remaining_signer(request) == SubsystemId("VN", "GOV", "G22", "dvc")
    assert remaining_signer(response) == SubsystemId("VN", "GOV", "G01", "dancu")
    assert remaining_signer(replace(request, client="VN/GOV/G22")) == MemberId("VN", "GOV", "G22")


@pytest.mark.parametrize("client", ["", "VN", "VN/GOV//x", "VN/GOV/G22/dvc/x", "VN/GOV/\x00"])
def test_columns_that_name_nobody(world: ContainerWorld, client: str) -> None:
    with pytest.raises(MalformedMessage):
        remaining_signer(replace(world.record(), client=client))


def test_our_client_is_who_asked_or_who_was_asked(world: ContainerWorld) -> None:
    record = world.record()
    assert own_client_column(record) == "VN/GOV/G22/dvc"
    assert own_client_column(replace(record, side="server")) == "VN/GOV/G01/dancu"


def test_a_chain_without_the_message(world: ContainerWorld) -> None:
    record = world.record(body=b"{}")
    assert record.hash_chain is not None
    other = replace(record, hash_chain=record.hash_chain.replace(b"/message.xml", b"/attachment9"))
    with pytest.raises(MalformedMessage, match="no digest of the message"):
        remaining_digests(other)
