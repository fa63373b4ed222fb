"""A recorded message and its time-stamp, put together as a container (reference 4.7, 5.1).

A single time-stamp goes into the signature, as X-Road puts it there. Where a peer wrote its signature in a way that leaves no
certain place for it, the token becomes a file of its own, which X-Road's verifier takes as well. A batch time-stamp stays beside
the signature, which its hash chain leads to byte by byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.container import Container
from gateway.core.messagelog.record import MessageRecord
from gateway.core.signing.xadestimestamp import with_timestamp


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time-stamp of one record. `token`: DER, over `chain_result`, or over the signature value where there is no chain."""

    token: bytes
    chain_result: bytes | None = None
    chain: bytes | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """Records with the numbers `first` to `last`, without a gap, under one token; `position`: of the first of them in its tree."""

    first: int
    last: int
    position: int


def runs_of(records: Sequence[int]) -> list[Run]:
    """`records`: numbers in the order of the leaves, growing. As few runs as can be."""
    if not records:
        return []
    if records[-1] - records[0] == len(records) - 1:
        return [Run(records[0], records[-1], 0)]
    starts = [0, *(at for at in range(1, len(records)) if records[at] != records[at - 1] + 1)]
    ends = [*starts[1:], len(records)]
    return [Run(records[start], records[end - 1], start) for start, end in zip(starts, ends, strict=True)]


def stamped_container(record: MessageRecord, stamp: Stamp) -> Container:
    """Everything of the record's container but its attachment."""
    signature, token = record.signature, stamp.token
    if stamp.chain_result is not None:
        return _container(record, signature, stamp, token)
    try:
        return _container(record, with_timestamp(signature, token), stamp, None)
    except MalformedMessage:
        return _container(record, signature, stamp, token)


def _container(record: MessageRecord, signature: bytes, stamp: Stamp, token: bytes | None) -> Container:
    chains = (record.hash_chain_result, record.hash_chain, stamp.chain_result, stamp.chain)
    return Container(record.part, signature, *chains, token)
