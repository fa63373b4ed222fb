"""Endpoints of an OpenAPI document."""

from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.core.serverconf.model import Endpoint
from gateway.settings.openapi import openapi_endpoints

YAML = """\
openapi: 3.1.0
info: {title: Dân cư, version: 2026-01-01}
paths:
  /v1/persons/{id}:
    summary: s
    parameters: []
    get: {}
    delete: null
  /v1/verify: {post: {}, x-note: n, servers: []}
"""


def document(folder: Path, text: str, name: str = "openapi.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_methods_and_templates(tmp_path: Path) -> None:
    assert openapi_endpoints(document(tmp_path, YAML)) == (
        Endpoint("GET", "/v1/persons/*"),
        Endpoint("DELETE", "/v1/persons/*"),
        Endpoint("POST", "/v1/verify"),
    )


def test_json(tmp_path: Path) -> None:
    path = document(tmp_path, '{"openapi": "3.0.3", "paths": {"/a/{b}": {"get": {}}}}', "openapi.json")
    assert openapi_endpoints(path) == (Endpoint("GET", "/a/*"),)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "not an OpenAPI 3 document|not one YAML document"),
        ("[]", "not an OpenAPI 3 document"),
        ("swagger: '2.0'", "not an OpenAPI 3 document"),
        ("openapi: 3", "not an OpenAPI 3 document"),
        ("openapi: 3.1.0", "'paths' must be a mapping"),
        ("openapi: 3.1.0\npaths: {x: {}}", "'paths' must be a mapping"),
        ("openapi: 3.1.0\npaths: {/x: 1}", "'paths' must be a mapping"),
        ("openapi: 3.1.0\npaths: {/x: {}, /x: {}}", "2:17: duplicate key '/x'"),
        ("openapi: [", ":2:1: did not find"),
        ("a: 1\n---\nb: 2", "not one YAML document"),
    ],
)
def test_fail(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        openapi_endpoints(document(tmp_path, text))


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\ufeff{}"])
def test_json_fail(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError):
        openapi_endpoints(document(tmp_path, text, "x.json"))
