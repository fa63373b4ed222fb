"""PKCS#11 URIs (RFC 7512)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.pkcs11uri import Pkcs11Uri, parse_pkcs11_uri

_MODULE = "/usr/lib/softhsm/libsofthsm2.so"
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


def test_the_usual_forms() -> None:
    assert parse_pkcs11_uri(f"pkcs11:token=gw;object=G01%20sign?module-path={_MODULE}") == Pkcs11Uri(
        _MODULE, token="gw", object="G01 sign"
    )
    assert parse_pkcs11_uri(f"pkcs11:serial=01ab;id=%01%ff?module-path={_MODULE}") == Pkcs11Uri(
        _MODULE, serial="01ab", id=b"\x01\xff"
    )


@given(_TEXT, st.none() | _TEXT, st.none() | _TEXT, st.none() | _TEXT, st.binary(min_size=1, max_size=8))
def test_printed_and_parsed_it_is_the_same(
    module: str, token: str | None, serial: str | None, label: str | None, key: bytes
) -> None:
    if token is None and serial is None:
        token = "gw"
    uri = Pkcs11Uri(module, token, serial, label, key)
    assert parse_pkcs11_uri(str(uri)) == uri


@given(st.text(max_size=80))
def test_any_text_is_a_uri_or_a_value_error(text: str) -> None:
    try:
        uri = parse_pkcs11_uri("pkcs11:" + text)
    except ValueError:
        return
    assert parse_pkcs11_uri(str(uri)) == uri


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("file:x", "begin with pkcs11:"),
        (f"pkcs11:token=gw;object=k?module-path={_MODULE}&pin-value=9876", "must not hold a PIN"),
        (f"pkcs11:token=gw;object=k?module-path={_MODULE}&pin-source=file:x", "must not hold a PIN"),
        (f"pkcs11:token=gw;objekt=k?module-path={_MODULE}", "not objekt"),
        ("pkcs11:token=gw;object=k", "module-path="),
        (f"pkcs11:token=gw?module-path={_MODULE}", "object= or id="),
        (f"pkcs11:object=k?module-path={_MODULE}", "token= or serial="),
        (f"pkcs11:token=gw;token=gw;object=k?module-path={_MODULE}", "each once"),
        (f"pkcs11:token=;object=k?module-path={_MODULE}", "name=value"),
        (f"pkcs11:token=%ff;object=k?module-path={_MODULE}", "UTF-8"),
        (f"pkcs11:token=a%00;object=k?module-path={_MODULE}", "zero byte"),
    ],
)
def test_what_is_wrong_is_said_and_no_pin_repeated(uri: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as e:
        parse_pkcs11_uri(uri)
    assert "9876" not in str(e.value)
