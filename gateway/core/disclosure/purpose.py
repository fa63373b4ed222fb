"""For what purpose, on which legal basis? What the consumer states in its signed headers, against contract and right.

`Purpose-Code` and `Legal-Basis` are codes of the lists that the contract uses. A consumer whose right leaves exactly one purpose
need not state it, nor the basis when the purpose has one: so unmodified information systems keep working.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.core.disclosure.contract import EndpointContract, Purpose
from gateway.core.messages.rest import Headers
from gateway.core.serverconf.access import Denial
from gateway.core.values import quick

PURPOSE_HEADER = "Purpose-Code"
BASIS_HEADER = "Legal-Basis"
_DENIED = "access_denied"
_BLANK = {""}


@quick
@dataclass(frozen=True, slots=True)
class StatedPurpose:
    """Codes. `stated`: the consumer named the purpose itself; otherwise its right supplied it."""

    code: str
    legal_basis: str
    stated: bool


def decide_purpose(
    headers: Headers, endpoint: EndpointContract, granted: Collection[str] | None
) -> StatedPurpose | Denial:
    """`granted`: purposes of the rights that matched, None when they leave that to the contract. No denial repeats a header."""
    allowed = endpoint.purposes if granted is None else [p for p in endpoint.purposes if p.code in granted]
    named = _stated(headers, PURPOSE_HEADER)
    if len(named) > 1:
        return Denial(_DENIED, f"The header {PURPOSE_HEADER} names several purposes")
    if not named and len(allowed) != 1:
        return Denial(_DENIED, f"The purpose is not stated: the header {PURPOSE_HEADER} is missing")
    found = [p for p in allowed if p.code in named] if named else allowed
    if not found:
        return Denial(_DENIED, "The stated purpose is unknown or not allowed to this client here")
    return _with_basis(headers, found[0], stated=bool(named))


def _with_basis(headers: Headers, purpose: Purpose, *, stated: bool) -> StatedPurpose | Denial:
    named = _stated(headers, BASIS_HEADER)
    if len(named) > 1:
        return Denial(_DENIED, f"The header {BASIS_HEADER} names several legal bases")
    if not named and len(purpose.legal_bases) != 1:
        return Denial(_DENIED, f"The legal basis is not stated: the header {BASIS_HEADER} is missing")
    basis = next(iter(named), purpose.legal_bases[0])
    if basis not in purpose.legal_bases:
        return Denial(_DENIED, "The stated legal basis is unknown or does not belong to this purpose")
    return StatedPurpose(purpose.code, basis, stated)


def claimed_purpose(headers: Headers, known: Sequence[Purpose]) -> StatedPurpose:
    """What a refused request claimed, as far as it is a code of ours: for the record of an attempt. Empty codes otherwise."""
    named = _stated(headers, PURPOSE_HEADER)
    purpose = next((p for p in known if {p.code} == named), None)
    if purpose is None:
        return StatedPurpose("", "", stated=bool(named))
    bases = _stated(headers, BASIS_HEADER)
    basis = next((b for b in purpose.legal_bases if {b} == bases), "")
    return StatedPurpose(purpose.code, basis, stated=True)


def _stated(headers: Headers, name: str) -> set[str]:
    """The different values of a header; a blank one states nothing."""
    wanted, size = name.lower(), len(name)
    return {v.strip(" \t") for found, v in headers if len(found) == size and found.lower() == wanted} - _BLANK
