"""Whom a message is about: where the numbers of persons stand in it, and how each kind of number is read.

One file for each way to find a number (`path`, `query`, `header`, `pointer`, `xpath`), one row below for each. `kinds.py` knows the
kinds of numbers, `extract.py` applies a contract's rules to one message.

Rule: fail closed. What cannot be found, is spelt in another way than its kind, or could be read in two ways is an error, never
"nobody". No error repeats what stood in the message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.core.subjects.header import FromHeader
from gateway.core.subjects.path import FromPath
from gateway.core.subjects.pointer import FromPointer
from gateway.core.subjects.query import FromQuery
from gateway.core.subjects.view import Locator
from gateway.core.subjects.xpath import FromXPath

LOCATORS: Mapping[str, Callable[..., Locator]] = {
    "path": FromPath,
    "query": FromQuery,
    "header": FromHeader,
    "pointer": FromPointer,
    "xpath": FromXPath,
}
