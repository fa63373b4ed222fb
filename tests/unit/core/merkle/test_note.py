"""Signed notes: the specification's example, one spelling, and every malformed one refused."""

from __future__ import annotations

import pytest

from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint, print_checkpoint
from gateway.core.merkle.keys import KeyKind, parse_vkey
from gateway.core.merkle.note import MAX_SIGNATURES, parse_note, parse_signature_lines
from tests.support.logkeys import LOG, ORIGIN, WITNESS, Key, signed

EXAMPLE = (
    "This is an example message.\n"
    "\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NEUMANN = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
NEUMANN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO = (
    "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n"
    "— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n"
).encode()
GO_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


@pytest.mark.parametrize(("data", "vkey"), [(EXAMPLE, EXAMPLE_KEY), (NEUMANN, NEUMANN_KEY), (GO, GO_KEY)])
def test_notes_of_others(data: bytes, vkey: str) -> None:
    note, key = parse_note(data), parse_vkey(vkey)
    assert bytes(note) == data
    assert str(key) == vkey
    (line,) = note.signatures
    assert key.made(line)
    assert key.verify(note.text, line) is None
    with pytest.raises(ProofRejected):
        key.verify(note.text + b" ", line)


def test_the_text_ends_at_the_last_empty_line() -> None:
    note = parse_note(bytes(signed(b"one\n\ntwo\n\n\nthree\n")))
    assert note.text == b"one\n\ntwo\n\n\nthree\n"


GOOD = bytes(signed(b"text\n")).decode()
LINE = GOOD.removeprefix("text\n\n")
BLOB = LINE.split(" ")[2].removesuffix("\n")
MALFORMED = {
    "empty": "",
    "no signature": "text\n",
    "no signature after the empty line": "text\n\n",
    "no text": f"\n\n{LINE}",
    "only a signature": LINE,
    "text without line feed": f"text\n{LINE}",
    "no line feed at the end": GOOD[:-1],
    "a blank line between signatures": f"{GOOD}\n{LINE}\n",
    "a blank line at the end": f"{GOOD}\n",
    "a line that is none": f"{GOOD}more\n",
    "a hyphen for the dash": GOOD.replace("—", "-"),
    "an en dash for the dash": GOOD.replace("—", "\u2013"),
    "two spaces after the dash": GOOD.replace("— ", "—  "),
    "a tab after the dash": GOOD.replace("— ", "—\t"),
    "two spaces before the signature": GOOD.replace(f" {BLOB}", f"  {BLOB}"),
    "a space at the end": GOOD.replace("=\n", "= \n") if "=\n" in GOOD else GOOD[:-1] + " \n",
    "a plus in the name": GOOD.replace(ORIGIN, "a+b"),
    "a no-break space in the name": GOOD.replace(ORIGIN, "a\u00a0b"),
    "an ideographic space in the name": GOOD.replace(ORIGIN, "a\u3000b"),
    "a carriage return": GOOD.replace("text\n", "text\r\n"),
    "a zero byte": GOOD.replace("text", "te\0xt"),
    "an escape": GOOD.replace("text", "te\x1bxt"),
    "url-safe base64": GOOD.replace(BLOB, BLOB.translate(str.maketrans("+/", "-_"))[:-4] + "-_-_"),
    "base64 without its padding": GOOD.replace(BLOB, "AAAAAAE"),
    "base64 with trailing bits": GOOD.replace(BLOB, "AAAAAAF="),
    "base64 with junk": GOOD.replace(BLOB, f"{BLOB[:8]}!{BLOB[8:]}"),
    "base64 in two lines": GOOD.replace(BLOB, f"{BLOB[:8]}\n{BLOB[8:]}"),
    "a key id alone": GOOD.replace(BLOB, "AAAAAA=="),
    "no key id": GOOD.replace(f" {BLOB}", ""),
    "too many signatures": GOOD + LINE * MAX_SIGNATURES,
}


@pytest.mark.parametrize("what", MALFORMED)
def test_parse_fail(what: str) -> None:
    assert MALFORMED[what] != GOOD
    with pytest.raises(MalformedMessage):
        parse_note(MALFORMED[what].encode())


def test_not_utf8() -> None:
    with pytest.raises(MalformedMessage):
        parse_note(GOOD.encode().replace(b"text", b"te\xffxt"))


def test_half_a_megabyte_is_enough() -> None:
    with pytest.raises(MalformedMessage):
        parse_note(b"x" * (512 * 1024) + b"\n\n" + LINE.encode())


def test_sixteen_signatures_and_more_are_read() -> None:
    assert len(parse_note((GOOD + LINE * (MAX_SIGNATURES - 1)).encode()).signatures) == MAX_SIGNATURES


def test_lines_of_a_witness() -> None:
    line = WITNESS.sign(b"text\n")
    assert parse_signature_lines(str(line)) == (line,)
    note = signed(b"text\n").with_signatures([line, line])
    assert note.with_signatures([line]) == note
    assert [s.name for s in note.signatures] == [LOG.name, WITNESS.name]


CHECKPOINT = Checkpoint(ORIGIN, 20852163, bytes(range(32)))
TEXT = print_checkpoint(CHECKPOINT).decode()


def test_checkpoint() -> None:
    assert f"{ORIGIN}\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" == TEXT
    assert parse_checkpoint(TEXT.encode()) == CHECKPOINT
    assert parse_checkpoint(f"{TEXT}extension\n".encode()) == CHECKPOINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        TEXT[:-1],
        TEXT.replace(ORIGIN, ""),
        f"\n{TEXT}",
        f"{TEXT}\n",
        f"{TEXT}extension",
        f"{TEXT}\nextension\n",
        *(TEXT.replace("20852163", n) for n in ("", "01", "+1", " 1", "1 ", "1_0", "-1", "1.0", "0x1", "٣", "９", "²")),
        *(TEXT.replace("20852163", n) for n in (str(2**63), "9" * 5000)),
        TEXT.replace("Hh8=", "Hh9="),
        TEXT.replace("Hh8=", "Hh8"),
        TEXT.replace("AAEC", "AAECAAEC"),
        TEXT.replace("AAECAwQF", ""),
        TEXT.replace("\n2", "\u20282"),
        TEXT.replace("\n", "\r\n"),
    ],
)
def test_checkpoint_fail(text: str) -> None:
    assert text != TEXT
    with pytest.raises(MalformedMessage):
        parse_checkpoint(text.encode())


def test_a_key_under_another_name_has_another_id() -> None:
    one, other = Key("a").verifier, Key("a", KeyKind.ED25519_COSIGNATURE).verifier
    assert one.key_id != other.key_id
