"""Faults between well-formed values that every kind of file can have."""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable, Iterable, Iterator

from gateway.settings.common import ListenAddress
from gateway.settings.loader import Finding
from gateway.settings.names import ClientRef
from gateway.settings.yaml12 import Place


def duplicates(values: Iterable[tuple[Place, Hashable]], what: str) -> Iterator[Finding]:
    seen: dict[Hashable, Place] = {}
    for path, value in values:
        if value in seen:
            yield Finding(path, f"{what} {str(value)!r} stands here for the second time")
        seen[value] = path


def open_to_others(host: str, path: Place, why: str) -> Iterator[Finding]:
    """Of a port, or a server, that only this machine may see; `why`: what it lacks."""
    try:
        on_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        on_loopback = False
    if not on_loopback:
        yield Finding(path, f"{host!r} is not on loopback, and {why}")


def admin_findings(address: ListenAddress | None, path: Place) -> Iterator[Finding]:
    if address is not None:
        yield from open_to_others(
            address.host, path, "the admin port has no authentication: let an agent here pass it on"
        )


def misread_instance(ref: ClientRef, instance: str, path: Place) -> Iterator[Finding]:
    """`VN/GOV/G01` would silently become the subsystem G01 of member VN/VN/GOV."""
    if not ref.absolute and len(ref.pieces) == 3 and ref.pieces[0] == instance:
        short = "/".join(ref.pieces[1:])
        yield Finding(path, f"three pieces are CLASS/CODE/SUBSYSTEM, but {instance!r} is the instance: write {short!r}")
