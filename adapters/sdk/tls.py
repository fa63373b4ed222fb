"""TLS between an adapter and its own security server: each knows the other by its certificate, with no authority between them.

| connection                      | the adapter shows          | the adapter demands                                            |
|---------------------------------|----------------------------|----------------------------------------------------------------|
| security server -> adapter      | its certificate            | the security server's internal TLS certificate                 |
| adapter -> client proxy (8443)  | its certificate, or none   | the same certificate, and that it names the address called     |

At the security server the adapter's certificate stands under `information_systems.certificates` of its client, and the client's
`authentication` is `mutual_tls` (X-Road's connection type HTTPS), or `https` for callers that show none (HTTPS NO AUTH). TLS 1.2
and later; what is demanded is looked at by OpenSSL before the first byte of a call.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROAD = "ADAPTER_ROAD"
_CERTIFICATE, _KEY, _SERVER = "ADAPTER_TLS_CERTIFICATE", "ADAPTER_TLS_KEY", "ADAPTER_SECURITY_SERVER"


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files. `security_server`: its internal TLS certificate, two of them while it is renewed; `certificate`, `key`: the
    adapter's own, None for one that only calls and shows none."""

    security_server: Path
    certificate: Path | None = None
    key: Path | None = None

    def listening(self) -> ssl.SSLContext:
        """For the listener: nobody but the security server gets in. OSError or ValueError when a file is not as it should be."""
        if self.certificate is None:
            raise ValueError("a listener shows a certificate")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.security_server))
        context.verify_mode = ssl.CERT_REQUIRED
        return self._with_own(context)

    def calling(self) -> ssl.SSLContext:
        """For calls of the client proxy. OSError or ValueError when a file is not as it should be."""
        return self._with_own(ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.security_server)))

    def _with_own(self, context: ssl.SSLContext) -> ssl.SSLContext:
        """A listed certificate is an anchor whether it signed itself or not."""
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


def tls_of(environment: Mapping[str, str]) -> Tls | None:
    """Of `ADAPTER_SECURITY_SERVER`, `ADAPTER_TLS_CERTIFICATE`, `ADAPTER_TLS_KEY`, all or none; ValueError when some are missing."""
    given = {name: environment[name] for name in (_SERVER, _CERTIFICATE, _KEY) if environment.get(name)}
    if not given:
        return None
    if len(given) < 3:
        raise ValueError(f"{_SERVER}, {_CERTIFICATE} and {_KEY} belong together")
    return Tls(Path(given[_SERVER]), Path(given[_CERTIFICATE]), Path(given[_KEY]))


def road_of(environment: Mapping[str, str], default: str) -> tuple[str, Tls | None]:
    """Of `ADAPTER_ROAD`, the client proxy of our security server (`default` without it), and what `tls_of` finds. ValueError when
    an https road has no files: nobody would know whom it leads to."""
    road, tls = environment.get(ROAD) or default, tls_of(environment)
    if road.startswith("https:") and tls is None:
        raise ValueError(f"{ROAD} is https, so {_SERVER}, {_CERTIFICATE} and {_KEY} are needed")
    return road, tls
