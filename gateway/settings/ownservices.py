"""Services that a security server answers itself: `url: gateway:<name>` instead of an address, with their OpenAPI documents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import WithJsonSchema

from gateway.settings.common import http_url, text
from gateway.settings.loader import nearest

_FOLDER = Path(__file__).resolve().parents[1] / "ownservices"

DOCUMENTS: Mapping[str, Path] = {
    "gateway:findUsage": _FOLDER / "findUsage.openapi.yaml",
    "gateway:inquiries": _FOLDER / "inquiries.openapi.yaml",
}


def _service_url(value: str) -> str:
    if not value.startswith("gateway:"):
        return http_url(value)
    if value not in DOCUMENTS:
        raise ValueError(f"{value!r} is no service of the server itself{nearest(value, DOCUMENTS)}")
    return value


ServiceUrl = Annotated[str, text(_service_url), WithJsonSchema({"type": "string", "pattern": "^(https?://|gateway:)"})]
