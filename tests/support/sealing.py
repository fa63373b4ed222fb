"""Keys of sealed message logs for tests: never used for anything else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

from gateway.core.errors import SettingsError
from gateway.core.messagelog.record import MessageRecord
from gateway.core.sealing.keys import DataKey, parse_keyring, unwrap, wrap
from gateway.core.sealing.records import RECORD_NONCES, seal_content
from gateway.messagelog.keysource import KeySource

OLD = f"old:{'0b' * 32}"
NEW = f"new:{'0a' * 32}"


class Secret:
    """What the operator's secret holds now; `None`: it cannot be read."""

    def __init__(self, text: str | None = OLD) -> None:
        self.text = text
        self.readings = 0

    def __call__(self) -> str:
        self.readings += 1
        if self.text is None:
            raise SettingsError(["cannot read the secret"])
        return self.text


def key_source(text: str = OLD) -> KeySource:
    return KeySource(Secret(text))


def sealed_record(record: MessageRecord, key: DataKey, nonces: bytes = bytes(range(RECORD_NONCES))) -> MessageRecord:
    part, body = seal_content(record.part, record.body, record.uid, key, nonces)
    return replace(record, part=part, body=body, sealed_by=key.id)


def data_key() -> DataKey:
    kek = parse_keyring(OLD).first
    return unwrap(wrap(bytes(range(32)), kek, UUID(int=7), date(2026, 11, 24), "VN/GOV/G22", bytes(12)), kek)
