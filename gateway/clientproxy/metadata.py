"""`/listClients` and `/verificationconf` (reference 2.1, 2.4): what anybody here may read of the global configuration."""

from __future__ import annotations

import io
import json
import zipfile

from gateway.core.globalconf.model import GlobalConfiguration, SharedParameters
from gateway.core.serverconf.metaservices import list_clients, list_clients_xml
from gateway.httpd.values import Answer


def list_clients_answer(shared: SharedParameters, accept: str | None) -> Answer:
    """JSON when any element of `Accept` is `application/json`, XML otherwise."""
    wanted = {part.partition(";")[0].strip().lower() for part in (accept or "").split(",")}
    if "application/json" in wanted:
        body = json.dumps(list_clients(shared), ensure_ascii=False).encode()
        return Answer(200, (("Content-Type", "application/json; charset=utf-8"),), body)
    return Answer(200, (("Content-Type", "text/xml; charset=UTF-8"),), list_clients_xml(shared))


def verification_conf(trust: GlobalConfiguration) -> Answer:
    """The ZIP that `asicverifier` wants: shared parameters of every known instance, never private ones."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(trust.files.items()):
            if "private-params" not in name:
                archive.writestr(f"verificationconf/{name}", data)
    headers = (("Content-Type", "application/zip"), ("Content-Disposition", 'filename="verificationconf.zip"'))
    return Answer(200, headers, out.getvalue())
