"""Schemas show values the way they are written."""

import json

from gateway.settings.schema import KINDS, schema_text


class Any(dict):  # type: ignore[type-arg]
    """An explanation for every key."""

    def __missing__(self, key: tuple[str, str]) -> str:
        return "/".join(key)


def test_defaults_and_types() -> None:
    schema = json.loads(schema_text("server", Any()))
    peers = schema["$defs"]["PeerSettings"]["properties"]
    assert peers["connect_timeout"]["default"] == "30s"
    assert peers["tls"]["enum"] == ["strict", "interop"]
    assert schema["$defs"]["LimitSettings"]["properties"]["body"]["default"] == "10GiB"
    assert schema["properties"]["peers"]["default"]["keep_idle"] == "30s"
    assert schema["properties"]["server"]["description"] == "ServerSettings/server"
    assert schema["additionalProperties"] is False


def test_one_or_list_and_short_forms() -> None:
    schema = json.loads(schema_text("server", Any()))
    signing = schema["$defs"]["KeysSettings"]["properties"]["signing"]
    assert [sorted(s) for s in signing["anyOf"]] == [["$ref"], ["items", "type"]]
    assert {"type": "string"} in schema["properties"]["database"]["anyOf"]


def test_no_key_may_be_null() -> None:
    assert '"null"' not in "".join(schema_text(kind, Any()) for kind in KINDS)
