"""`gateway keys renew`: for every key that ends soon a new one, its request, and its certificate where the authority is ours.

To be run as often as one likes, by a timer too: a key whose successor waits in the folder gets no second one, and what an earlier
run could not finish is finished. A key on a token is followed by one on that token. The settings are not touched: which key comes
first there is the operator's decision.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.app.keyring.files import WaitingKey, keys_in
from gateway.app.keyring.importing import Imported, import_certificate, what_to_do
from gateway.app.keyring.requests import Wanted, request_key
from gateway.app.keyring.states import KeyState
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.settings.pkcs11uri import Pkcs11Uri
from gateway.settings.server import ServerSettings
from gateway.settings.trust import TrustSettings
from gateway.trust.authority import Use
from gateway.trust.issuing import issue, load_authority


def renew(
    settings: ServerSettings,
    conf: GlobalConfiguration,
    ending: list[KeyState],
    wanted: Wanted,
    folder: Path,
    now: datetime,
    *,
    within: timedelta,
    authority: TrustSettings | None,
    years: float,
) -> Iterator[str]:
    """What is to be done now, a text for each holder and use in `ending`. `wanted`: the form of new keys. `authority`: answers
    requests for signing and authentication certificates at once; None leaves them to somebody else."""
    for state in {(s.use, s.holder): s for s in ending}.values():
        key = _successor(folder, state, now + within)
        if key is None:
            request_key(settings, conf, _like(state, wanted, now), folder, now)
            key = _successor(folder, state, now + within)
            assert key is not None
        if key.certificate is not None:
            yield what_to_do(Imported(key, key.certificate))
        elif authority is None or state.use == "tls":
            yield f"{key.place.with_suffix('.csr')}: to be sent to the authority; then: gateway keys import"
        else:
            yield what_to_do(_certify(settings, conf, key, folder, now, authority, years))


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


def _certify(
    settings: ServerSettings,
    conf: GlobalConfiguration,
    key: WaitingKey,
    folder: Path,
    now: datetime,
    authority: TrustSettings,
    years: float,
) -> Imported:
    certificate = issue(load_authority(authority), key.request, Use(key.record.use), now, years=years)
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(certificate.public_bytes(Encoding.PEM))
        file.flush()
        return import_certificate(settings, conf, Path(file.name), folder, now)
