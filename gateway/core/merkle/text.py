"""The spellings that notes, checkpoints, receipts and policies share; each value has exactly one."""

from __future__ import annotations

import base64
import binascii
import re

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.hashing import HASH_SIZE

MAX_NUMBER = 2**63 - 1
_DECIMAL = re.compile(
    r"0|[1-9][0-9]{0,18}", re.ASCII
)  # int() takes blanks, signs, underscores and other scripts' digits


def parse_decimal(text: str) -> int:
    """ASCII, no leading zero, at most 2**63 - 1. MalformedMessage otherwise."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_NUMBER:
        raise MalformedMessage("not a decimal number of a log")
    return int(text)


def parse_base64(text: str) -> bytes:
    """Standard alphabet, padded, no other spelling of the same bytes (RFC 4648 3.5). MalformedMessage otherwise."""
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as e:
        raise MalformedMessage("not base64") from e
    if print_base64(value) != text:
        raise MalformedMessage("not canonical base64")
    return value


def print_base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def parse_hash(text: str) -> bytes:
    """32 bytes in base64. MalformedMessage otherwise."""
    value = parse_base64(text)
    if len(value) != HASH_SIZE:
        raise MalformedMessage("not a hash of 32 bytes")
    return value


def decode_text(data: bytes) -> str:
    """UTF-8 without control characters other than line feed (C2SP signed-note). MalformedMessage otherwise."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise MalformedMessage("not UTF-8") from e
    if any(c < " " and c != "\n" for c in text):
        raise MalformedMessage("a control character")
    return text
