"""What social insurance counts with: insurance numbers, card numbers, cursors of a history."""

from __future__ import annotations

import base64
import binascii
import re

from adapters.sdk import InvalidIdentifier

INVENTED = "99"
"""What every insurance number of this project begins with."""

_INSURANCE = re.compile(r"[0-9]{10}", re.ASCII)
_CURSOR = re.compile(r"after:([0-9]{1,6})")


def insurance_number(order: int) -> str:
    """Ten digits; `order`: 1-99999999."""
    return f"{INVENTED}{order:08}"


def parse_insurance_number(text: str) -> str:
    """Ten ASCII digits; InvalidIdentifier otherwise."""
    if not _INSURANCE.fullmatch(text):
        raise InvalidIdentifier("Mã số bảo hiểm xã hội gồm 10 chữ số (an insurance number has 10 digits)")
    return text


def card_number(group: str, level: int, number: str) -> str:
    """Fifteen characters: group of the insured, level of benefit, province (99: none), insurance number."""
    return f"{group}{level}99{number}"


def print_cursor(position: int) -> str:
    """Opaque to callers; says after which position the next page begins."""
    return base64.urlsafe_b64encode(f"after:{position}".encode()).decode().rstrip("=")


def parse_cursor(text: str) -> int:
    """ValueError for whatever `print_cursor` did not make."""
    try:
        raw = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = _CURSOR.fullmatch(raw.decode("ascii"))
    except (binascii.Error, UnicodeError) as e:
        raise ValueError("a cursor is what the page before gave") from e
    if found is None or print_cursor(int(found[1])) != text:
        raise ValueError("a cursor is what the page before gave")
    return int(found[1])
