"""Signed notes (C2SP signed-note): a text, an empty line, and signature lines `— <key name> <base64 of key id and signature>`.

The text ends at the *last* empty line. Nothing is decided here: which keys count is the business of `keys.py` and `policy.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.text import decode_text, parse_base64, print_base64

MAX_NOTE = 512 * 1024  # bytes
MAX_SIGNATURES = 64  # the specification asks for at least 16; a line of ML-DSA-44 has 3.3 kB
_DASH = "\u2014 "
_KEY_ID = 4


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """`key_id`: 4 bytes that only hint at the key; `blob`: what follows them, its form depends on the key's kind."""

    name: str
    key_id: bytes
    blob: bytes

    def __str__(self) -> str:
        """The signature line, with its line feed."""
        return f"{_DASH}{self.name} {print_base64(self.key_id + self.blob)}\n"


@dataclass(frozen=True, slots=True)
class SignedNote:
    """`text`: the bytes that signatures are about, their last line feed included."""

    text: bytes
    signatures: tuple[NoteSignature, ...]

    def __bytes__(self) -> bytes:
        """As it was received: a note has one spelling."""
        return self.text + b"\n" + "".join(map(str, self.signatures)).encode()

    def with_signatures(self, more: Sequence[NoteSignature]) -> SignedNote:
        """The same with these lines added, each line once."""
        return SignedNote(self.text, tuple(dict.fromkeys((*self.signatures, *more))))


def parse_note(data: bytes) -> SignedNote:
    """MalformedMessage for bytes that are not a note with at least one signature line."""
    if len(data) > MAX_NOTE:
        raise MalformedMessage("a note of more than 512 KiB")
    whole = decode_text(data)
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not text:
        raise MalformedMessage("a note without text or without signatures")
    return SignedNote(f"{text}\n".encode(), parse_signature_lines(lines))


def parse_signature_lines(lines: str) -> tuple[NoteSignature, ...]:
    """One line or more, each with its line feed. MalformedMessage otherwise."""
    if not lines.endswith("\n"):
        raise MalformedMessage("the last signature line does not end")
    split = lines[:-1].split("\n")
    if len(split) > MAX_SIGNATURES:
        raise MalformedMessage(f"more than {MAX_SIGNATURES} signatures")
    return tuple(map(_signature, split))


def check_key_name(name: str) -> None:
    """Not empty, no white space, no plus sign. MalformedMessage otherwise."""
    if not name or "+" in name or any(c.isspace() for c in name):
        raise MalformedMessage("not the name of a note key")


def _signature(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise MalformedMessage("not a signature line")
    check_key_name(name)
    value = parse_base64(encoded)
    if len(value) <= _KEY_ID:
        raise MalformedMessage("a signature line without signature")
    return NoteSignature(name, value[:_KEY_ID], value[_KEY_ID:])
