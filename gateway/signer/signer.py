"""The exchange's Signer port over key tokens.

Whose key a token holds is read out of its certificate by the profile that the global configuration gives its CA (reference 4.5),
so it is known only once there is a configuration, and is looked at again whenever that changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509

from gateway.core.errors import GatewayError, KeyTokenError
from gateway.core.identifiers import MemberId
from gateway.core.signing.certificates import der, find_issuer, is_signing_certificate, signing_member, verify_chain
from gateway.core.signing.ocsp import verify_ocsp
from gateway.core.signing.trust import InstanceTrust
from gateway.core.signing.xades import SigningCredential
from gateway.core.signing.xadesform import SIGNED_INFO_APEX
from gateway.signer.tokens import KeyToken

TrustOf = Callable[[str, datetime], InstanceTrust]

_SIGNED_INFO_END = b"</ds:SignedInfo>"
_MOST_SIGNED_INFO = 16 * 1024


class OcspAnswers(Protocol):
    def get(self, certificate: x509.Certificate) -> bytes | None:
        """DER OCSPResponse saying `good`, fresh now; the same object until there is a newer one. None when there is none."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A token under one trust: its member, or in words why it cannot sign for anybody."""

    token: KeyToken
    member: MemberId | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Active:
    credential: SigningCredential
    trust: bytes
    valid_until: datetime


class LocalSigner:
    """Keys of several members in this process. `trust_of`: (instance, now) -> whom to believe; it raises when there is no
    usable global configuration. `batch`: certificates of those keys whose signatures messages share."""

    def __init__(
        self,
        tokens: Sequence[KeyToken],
        trust_of: TrustOf,
        ocsp: OcspAnswers,
        batch: Iterable[x509.Certificate] = (),
    ) -> None:
        self._tokens: Mapping[bytes, KeyToken] = {}  # by certificate, in DER
        self._before: Mapping[bytes, KeyToken] = {}
        self._batch: frozenset[x509.Certificate] = frozenset()
        self._trust_of = trust_of
        self._ocsp = ocsp
        self._held: tuple[bytes, tuple[_Held, ...]] = (b"", ())
        self._active: dict[MemberId, _Active] = {}
        self.use(tokens, batch)

    def use(self, tokens: Sequence[KeyToken], batch: Iterable[x509.Certificate] = ()) -> None:
        """These keys from now on; a message that was drafted for one of those before is still signed with it."""
        self._before, self._tokens = self._tokens, {der(t.certificate): t for t in tokens}
        self._batch = frozenset(batch)
        self._held = (b"", ())
        self._active.clear()

    def credential(self, member: MemberId, now: datetime) -> SigningCredential:
        """The same object until certificate, OCSP answer or trust change. KeyTokenError (`cannot_sign`) when there is none."""
        trust = self._trust_of(member.instance, now)
        active = self._active.get(member)
        if active is not None and active.trust == trust.fingerprint and now <= active.valid_until:
            credential = active.credential
            if (self._ocsp.get(credential.certificate),) == credential.ocsp:
                return credential
        active = self._activate(member, trust, now)
        self._active[member] = active
        return active.credential

    async def sign(self, credential: SigningCredential, signed_info: bytes) -> bytes:
        """Never signs anything but a canonical SignedInfo, so that nobody can have us sign, say, a TLS handshake."""
        is_signed_info = signed_info.startswith(SIGNED_INFO_APEX) and signed_info.endswith(_SIGNED_INFO_END)
        if not is_signed_info or len(signed_info) > _MOST_SIGNED_INFO:
            raise KeyTokenError("The signer signs nothing but a canonical SignedInfo")
        certificate = der(credential.certificate)
        token = self._tokens.get(certificate) or self._before.get(certificate)
        if token is None:
            raise KeyTokenError("The signing key is not held by this signer", code="key_not_found")
        if token.slow:
            return await asyncio.to_thread(token.sign, credential.algorithm, signed_info)
        return token.sign(credential.algorithm, signed_info)

    def holders(self, instance: str, now: datetime) -> tuple[tuple[str, x509.Certificate], ...]:
        """Each signing certificate with its member; with its subject while no member can be told. For metrics and health."""
        try:
            held = self._held_under(self._trust_of(instance, now))
        except GatewayError:
            held = tuple(_Held(t, None) for t in self._tokens.values())
        return tuple((str(h.member or h.token.certificate.subject.rfc4514_string()), h.token.certificate) for h in held)

    def _activate(self, member: MemberId, trust: InstanceTrust, now: datetime) -> _Active:
        """The first token of the member, in the order of configuration, that can sign now (reference 4.1)."""
        held = self._held_under(trust)
        problems = []
        for token in (h.token for h in held if h.member == member):
            try:
                return self._activate_token(token, member, trust, now)
            except GatewayError as e:
                problems.append(e.safe_detail)
        problems = problems or ["no signing certificate of this member", *(h.problem for h in held if h.problem)]
        raise KeyTokenError(f"Cannot sign for '{member}': {'; '.join(problems)}")

    def _activate_token(self, token: KeyToken, member: MemberId, trust: InstanceTrust, now: datetime) -> _Active:
        """The issuer is listed in the global configuration, or the member would not be known: no intermediates are needed,
        and each would need an OCSP answer of its own (reference 4.4 step 7)."""
        certificate = token.certificate
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise KeyTokenError(f"the certificate {_named(certificate)} is expired or not yet valid")
        path = verify_chain(certificate, (), trust, now)
        response = self._ocsp.get(certificate)
        if response is None:
            raise KeyTokenError(f"no fresh OCSP answer for the certificate {_named(certificate)}")
        _, ca = find_issuer(certificate, trust, now)
        verdict = verify_ocsp(response, certificate, ca.certificate, ca, trust, now)
        credential = SigningCredential(
            member, certificate, token.algorithm, (), (response,), certificate in self._batch
        )
        ends = min(verdict.valid_until, *(c.not_valid_after_utc for c in path))
        return _Active(credential, trust.fingerprint, ends)

    def _held_under(self, trust: InstanceTrust) -> tuple[_Held, ...]:
        if self._held[0] != trust.fingerprint:
            self._held = (trust.fingerprint, tuple(_hold(t, trust) for t in self._tokens.values()))
        return self._held[1]


def _hold(token: KeyToken, trust: InstanceTrust) -> _Held:
    certificate = token.certificate
    if not is_signing_certificate(certificate):
        return _Held(token, None, f"{_named(certificate)} is not a signing certificate")
    try:
        approved, _ = find_issuer(certificate, trust)
        if approved.authentication_only:
            return _Held(token, None, f"the CA of {_named(certificate)} is approved for authentication only")
        return _Held(token, signing_member(certificate, profile=approved.profile, instance=trust.instance))
    except GatewayError as e:
        return _Held(token, None, f"{_named(certificate)}: {e.safe_detail}")


def _named(certificate: x509.Certificate) -> str:
    """Organisations only: members' certificates name no person."""
    return f"'{certificate.subject.rfc4514_string()}' (serial {certificate.serial_number:x})"
