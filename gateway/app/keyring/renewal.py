"""`gateway keys renew`: for every key that ends soon a new one, its request, and its certificate where an authority answers at
once: ours, or one over ACME. `keys order` does the last of these for keys that wait.

To be run as often as one likes, by a timer too: a key whose successor waits in the folder gets no second one, and what an earlier
run could not finish is finished. A key on a token is followed by one on that token. The settings are not touched: which key comes
first there is the operator's decision.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.app import listeners
from gateway.app.keyring.files import Use, WaitingKey, keys_in
from gateway.app.keyring.importing import Imported, import_certificate, what_to_do
from gateway.app.keyring.requests import Wanted, request_key
from gateway.app.keyring.states import KeyState
from gateway.core.errors import SettingsError
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.settings.pkcs11uri import Pkcs11Uri
from gateway.settings.server import ServerSettings
from gateway.settings.trust import TrustSettings
from gateway.trust.authority import Use as CertificateUse
from gateway.trust.issuing import issue, load_authority


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who answers requests at once. `issue`: PEM, the certificate first, its intermediates with it; GatewayError."""

    uses: frozenset[Use]
    issue: Callable[[WaitingKey], bytes]


def renew(
    settings: ServerSettings,
    conf: GlobalConfiguration,
    ending: list[KeyState],
    wanted: Wanted,
    folder: Path,
    now: datetime,
    *,
    within: timedelta,
    issuer: Issuer | None,
) -> Iterator[str]:
    """What is to be done now, a text for each holder and use in `ending`. `wanted`: the form of new keys. `issuer`: answers
    requests at once; None leaves them to somebody else."""
    for state in {(s.use, s.holder): s for s in ending}.values():
        key = _successor(folder, state, now + within)
        if key is None:
            request_key(settings, conf, _like(state, wanted, now), folder, now)
            key = _successor(folder, state, now + within)
            assert key is not None
        if key.certificate is not None:
            yield what_to_do(Imported(key, key.certificate))
        elif issuer is None or state.use not in issuer.uses:
            yield f"{key.place.with_suffix('.csr')}: to be sent to the authority; then: gateway keys import"
        else:
            yield what_to_do(certify(settings, conf, key, folder, issuer))


def certify_waiting(settings: ServerSettings, conf: GlobalConfiguration, folder: Path, issuer: Issuer) -> Iterator[str]:
    """The certificates of all keys of the folder that wait for one; for each what the settings need then."""
    for key in list(keys_in(folder)) if folder.is_dir() else []:
        if key.certificate is None and key.record.use in issuer.uses:
            yield what_to_do(certify(settings, conf, key, folder, issuer))


def _like(state: KeyState, wanted: Wanted, now: datetime) -> Wanted:
    if state.use != "sign":
        return replace(wanted, use=state.use)
    member, old = f"/{state.holder}", state.key
    if not isinstance(old.token, Pkcs11Uri):
        return replace(wanted, use="sign", member=member)
    name = f"{state.holder.replace('/', '-')}-{now:%Y%m%dT%H%M%S%f}"
    return replace(wanted, use="sign", member=member, token=replace(old.token, object=name, id=None), pin=old.pin)


def _successor(folder: Path, state: KeyState, until: datetime) -> WaitingKey | None:
    """The last key made for this use and holder that has no certificate yet, or one that lasts long enough."""
    found = [
        key
        for key in keys_in(folder)
        if (key.record.use, key.record.holder) == (state.use, state.holder)
        and (key.certificate is None or key.certificate.not_valid_after_utc > until)
    ]
    return found[-1] if found else None


def certify(
    settings: ServerSettings, conf: GlobalConfiguration, key: WaitingKey, folder: Path, issuer: Issuer
) -> Imported:
    """Judged at the moment it came. GatewayError when it is not issued, or others would refuse it; the key then still waits."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(issuer.issue(key))
        file.flush()
        return import_certificate(settings, conf, Path(file.name), folder, listeners.clock())


def our_authority(trust: TrustSettings, now: datetime, years: float) -> Issuer:
    """The authority of the trust role, asked in this process."""

    def answer(key: WaitingKey) -> bytes:
        certificate = issue(load_authority(trust), key.request, CertificateUse(key.record.use), now, years=years)
        return certificate.public_bytes(Encoding.PEM)

    return Issuer(frozenset({"sign", "auth"}), answer)


def acme_authority(settings: ServerSettings) -> Issuer:
    """The one that the settings name. SettingsError when they name none, or its packages are not installed."""
    if settings.acme is None:
        raise SettingsError(["acme: is not configured"])
    try:
        from gateway.app.keyring.acme import (
            order_certificate,  # its packages are only for those who have such an authority
        )
    except ModuleNotFoundError as e:
        raise SettingsError([f"ACME needs more packages: pip install -r requirements-acme.lock ({e.name})"]) from e
    return Issuer(frozenset({"sign", "auth", "tls"}), partial(order_certificate, settings.acme))
