"""Core decides and touches nothing: no asyncio, files, sockets, clock, randomness or logging; `now` and nonces are arguments."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, calls, imports, module, modules, nodes

_STDLIB = frozenset({
    "__future__", "abc", "base64", "binascii", "bisect", "calendar", "collections", "contextlib", "copy", "dataclasses",
    "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "html", "io", "ipaddress", "itertools",
    "json", "math", "operator", "re", "reprlib", "string", "struct", "textwrap", "types", "typing", "unicodedata",
    "urllib.parse", "uuid", "warnings", "xml.sax.saxutils", "zipfile", "zlib",
})  # fmt: skip
_OTHERS = frozenset({"asn1crypto", "cryptography", "lxml", "jwt"})
# What is reachable through an allowed module and still is the clock, randomness or a file.
_FORBIDDEN_CALLS = (
    "open", "print", "input", "exec", "eval", "__import__", "breakpoint",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now", "datetime.date.today",
    "uuid.uuid1", "uuid.uuid4", "uuid4", "uuid1",
    "x509.random_serial_number", "os.urandom", "io.open", "etree.parse", "lxml.etree.parse",
)  # fmt: skip


# What `dataclass` itself does: an `__init__` written out from the names of fields.
_EXCUSED = {("gateway.core.values", "exec")}


def impure(m: Module) -> Iterator[str]:
    for found in imports(m):
        top = found.target.split(".")[0]
        if (
            top == "gateway"
            or top in _OTHERS
            or found.target in _STDLIB
            or (top in _STDLIB and top not in {"urllib", "xml"})
        ):
            continue
        yield f"{m.where}:{found.line}: imports {found.target}"
    for called, node in calls(m):
        if called in _FORBIDDEN_CALLS and (m.name, called) not in _EXCUSED:
            yield f"{m.where}:{node.lineno}: calls {called}"
    for inner in nodes(m):
        if isinstance(inner, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield f"{m.where}:{inner.lineno}: is asynchronous"


def core() -> list[Module]:
    return [m for m in modules("gateway") if m.room == "gateway.core"]


def test_core_is_pure() -> None:
    assert [problem for m in core() for problem in impure(m)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio",
        "import os.path",
        "from pathlib import Path",
        "import time",
        "import random",
        "import secrets",
        "import logging",
        "import socket",
        "import urllib.request",
        "from urllib import request",
        "import xml.etree.ElementTree",
        "import aiohttp",
        "import prometheus_client",
        "def f():\n    import ssl",
        "from datetime import datetime\nnow = datetime.now(tz)",
        "import uuid\nuuid.uuid4()",
        "open('x')",
        "from lxml import etree\netree.parse('x')",
        "async def f():\n    pass",
    ],
)
def test_impurity_is_seen(text: str) -> None:
    assert list(impure(module("gateway.core.made_up", text)))


_PARSER_OPTIONS = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def loose_parsers(m: Module) -> Iterator[str]:
    """XML from the network: entities, networks, DTDs and size limits are said out loud at each parser (billion laughs, XXE)."""
    for called, node in calls(m):
        given = {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
        if called.endswith("XMLParser") and not _PARSER_OPTIONS.items() <= given.items():
            yield f"{m.where}:{node.lineno}: XMLParser without {_PARSER_OPTIONS}"
        if called in {"etree.fromstring", "etree.XML", "fromstring"} and len(node.args) + len(node.keywords) < 2:
            yield f"{m.where}:{node.lineno}: {called} with lxml's default parser"


def test_every_xml_parser_is_strict() -> None:
    assert [problem for m in modules() for problem in loose_parsers(m)] == []


@pytest.mark.parametrize(
    "text", ["etree.XMLParser(resolve_entities=False)", "etree.fromstring(data)", "etree.XML(data)"]
)
def test_a_loose_parser_is_seen(text: str) -> None:
    assert list(loose_parsers(module("x", text)))
