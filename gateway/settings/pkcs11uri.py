"""`pkcs11:` URIs (RFC 7512): which module, which token in it, which key on the token. A PIN never stands in one.

pkcs11:token=gateway;object=G01-sign?module-path=/usr/lib/softhsm/libsofthsm2.so
pkcs11:serial=0123abcd;id=%01%02?module-path=/opt/hsm/lib/libpkcs11.so
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

_SCHEME = "pkcs11:"
_PATH = ("token", "serial", "object", "id")


@dataclass(frozen=True, slots=True)
class Pkcs11Uri:
    """`token`, `serial`: the token by its label or serial number; `object`, `id`: the private key by CKA_LABEL or CKA_ID. Of each
    pair at least one is given, and everything that is given must match."""

    module: str
    token: str | None = None
    serial: str | None = None
    object: str | None = None
    id: bytes | None = None

    def __str__(self) -> str:
        given = {"token": self.token, "serial": self.serial, "object": self.object, "id": self.id}
        path = ";".join(f"{name}={quote(value, safe='')}" for name, value in given.items() if value is not None)
        return f"{_SCHEME}{path}?module-path={quote(self.module, safe='/')}"


def parse_pkcs11_uri(uri: str) -> Pkcs11Uri:
    """ValueError in words, without repeating the value, which may hold a PIN."""
    if not uri.startswith(_SCHEME):
        raise ValueError("must begin with pkcs11:")
    path_text, _, query_text = uri.removeprefix(_SCHEME).partition("?")
    path, query = _attributes(path_text, ";"), _attributes(query_text, "&")
    if "pin-value" in query or "pin-source" in query:
        raise ValueError("a PKCS#11 URI must not hold a PIN: put a reference to it under 'pin'")
    unknown = [*(n for n in path if n not in _PATH), *(n for n in query if n != "module-path")]
    if unknown:
        raise ValueError(f"knows {', '.join(_PATH)} and ?module-path, not {', '.join(sorted(unknown))}")
    if "module-path" not in query:
        raise ValueError("needs ?module-path= and the path of the PKCS#11 library")
    if not path.keys() & {"token", "serial"} or not path.keys() & {"object", "id"}:
        raise ValueError("needs token= or serial=, and object= or id=")
    return Pkcs11Uri(
        module=_text(query["module-path"]),
        token=_optional(path, "token"),
        serial=_optional(path, "serial"),
        object=_optional(path, "object"),
        id=path.get("id"),
    )


def _attributes(text: str, separator: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for piece in text.split(separator) if text else ():
        name, equals, value = piece.partition("=")
        if not equals or not name.isascii() or name in found or not value:
            raise ValueError(f"must be attributes name=value, each once, separated by '{separator}'")
        found[name] = unquote_to_bytes(value)
    return found


def _optional(attributes: Mapping[str, bytes], name: str) -> str | None:
    return _text(attributes[name]) if name in attributes else None


def _text(value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("holds an escape that is not UTF-8") from None
    if "\0" in text:
        raise ValueError("holds a zero byte")
    return text
