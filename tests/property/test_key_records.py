"""What is kept of a waiting key: printed and read it is the same, and any bytes are a record or the one error."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.app.keyring.files import KeyRecord, load_record, print_key, print_record
from gateway.core.errors import SettingsError

WORDS = st.text(st.characters(categories=["L", "Nd"], include_characters=' -._"\\{}:,#'), min_size=1, max_size=20)
USES = st.sampled_from(["sign", "auth", "tls"])


def read(data: bytes) -> KeyRecord:
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(data)
        file.flush()
        return load_record(Path(file.name))


@settings(max_examples=50, deadline=None)
@given(USES, WORDS, WORDS)
def test_read_as_printed(use: str, holder: str, name: str) -> None:
    key = {"key": f"file:/keys/{name}.key", "certificate": f"/keys/{name}.pem", "pin": f"file:/keys/{name}.pin"}
    printed = print_record(use, holder, key)  # type: ignore[arg-type]
    record = read(printed)
    assert (record.use, record.holder) == (use, holder)
    assert printed.decode().splitlines()[2] == f"key: {print_key(record.key)}"


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=80), st.text(max_size=80).map(lambda t: t.encode("utf-8", "replace"))), st.data())
def test_any_bytes(other: bytes, data: st.DataObject) -> None:
    good = print_record(
        "sign", "VN/GOV/G01", {"token": "pkcs11:token=t;object=o?module-path=/m.so", "certificate": "c"}
    )
    cut = data.draw(st.integers(0, len(good)))
    for attempt in (other, good[:cut] + other, other + good[cut:]):
        try:
            record = read(attempt)
        except SettingsError:
            continue
        assert record.key.certificate is not None
