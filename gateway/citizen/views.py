"""From a stored record to what people read: names of the registry, words of the code lists, local time.

A code without words is shown as it is: a record stays readable when a list has lost a line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from gateway.citizen.forms import is_storable
from gateway.citizen.records import Count, Filter, StoredRecord
from gateway.core.disclosure.leaf import open_leaf
from gateway.core.disclosure.record import Field, print_time
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.text import print_base64
from gateway.core.subjects.kinds import Person
from gateway.pages.words import LANGUAGES, LOCAL, Language
from gateway.settings.codes import Bilingual, CodesSettings
from gateway.settings.registry import RegistrySettings
from gateway.storage.accessrecords import Destroyed

MEMBER_PIECES = 3
OUTCOMES = ("granted", "refused", "failed")


def member_of(client: str) -> str:
    """`VN/GOV/G22` of `VN/GOV/G22/dvc`."""
    return "/".join(client.split("/")[:MEMBER_PIECES])


class Dictionary:
    """Names of members and subsystems, words of codes."""

    def __init__(self, registry: RegistrySettings, codes: CodesSettings) -> None:
        self._names: dict[str, str] = {}
        for member in registry.members:
            id_ = str(member.id.resolve(registry.instance))
            self._names[id_] = member.name
            self._names |= {f"{id_}/{code}": name for code, name in member.subsystems.items() if name}
        self._codes = codes

    def name(self, client: str) -> str:
        return self._names.get(client, client)

    def system(self, client: str) -> str:
        """Name of a subsystem; empty for a member itself."""
        return self._names.get(client, "") if client.count("/") >= MEMBER_PIECES else ""

    def purpose(self, code: str, language: Language) -> str:
        return _words(self._codes.purposes.get(code), code, language)

    def basis(self, code: str, language: Language) -> str:
        return _words(self._codes.legal_bases.get(code), code, language)

    def document(self, code: str) -> str:
        """Document and article of a legal basis."""
        found = self._codes.legal_bases.get(code)
        return "" if found is None else found.document

    def category(self, code: str, language: Language) -> str:
        return _words(self._codes.categories.get(code), code, language)


def _words(found: Bilingual | None, code: str, language: Language) -> str:
    return code if found is None else getattr(found, language)


@dataclass(frozen=True, slots=True)
class Shown:
    """One record in one language. `text`: the committed texts by field; everything else is derived from them. `outcome`: one of
    OUTCOMES, or `other` when the text is none of them any more."""

    id: str
    time: datetime
    asker: str
    asker_system: str
    holder: str
    holder_system: str
    service: str
    purpose: str
    basis: str
    document: str
    categories: tuple[str, ...]
    outcome: str
    first: bool
    text: dict[str, str] = field(repr=False)
    leaf_hash: str

    @property
    def day(self) -> date:
        return self.time.date()


def show(record: StoredRecord, words: Dictionary, language: Language, *, first: bool) -> Shown:
    texts = {f.name.lower(): record.fields[f] for f in Field}
    consumer, service = texts["consumer"], texts["service"]
    client = service.rpartition("/")[0]
    return Shown(
        id=str(record.record_id),
        time=record.said.astimezone(LOCAL),
        asker=words.name(member_of(consumer)),
        asker_system=words.system(consumer),
        holder=words.name(member_of(service)),
        holder_system=words.system(client),
        service=service.rpartition("/")[2],
        purpose=words.purpose(texts["purpose"], language),
        basis=words.basis(texts["legal_basis"], language),
        document=words.document(texts["legal_basis"]),
        categories=tuple(words.category(code, language) for code in texts["categories"].split()),
        outcome=texts["outcome"] if texts["outcome"] in OUTCOMES else "other",
        first=first,
        text=texts,
        leaf_hash=print_base64(leaf_hash(record.leaf)),
    )


def record_json(record: StoredRecord, words: Dictionary, *, first: bool) -> dict[str, object]:
    """As the API gives it: codes, and their words in both languages."""
    vi, en = (show(record, words, language, first=first) for language in LANGUAGES)
    return {
        "id": vi.id,
        "time": vi.text["time"],
        "provider_server": record.server,
        "consumer": {"id": vi.text["consumer"], "name": vi.asker, "system": vi.asker_system},
        "service": {"id": vi.text["service"], "holder": vi.holder, "system": vi.holder_system},
        "purpose": {"code": vi.text["purpose"], "vi": vi.purpose, "en": en.purpose},
        "legal_basis": {"code": vi.text["legal_basis"], "vi": vi.basis, "en": en.basis, "document": vi.document},
        "categories": [
            {"code": code, "vi": v, "en": e}
            for code, v, e in zip(vi.text["categories"].split(), vi.categories, en.categories, strict=True)
        ],
        "official": vi.text["official"],
        "outcome": vi.text["outcome"],
        "representation": vi.text["representation"],
        "case": vi.text["case"],
        "consent": vi.text["consent"],
        "follows": vi.text["follows"],
        "first_of_agency": first,
        "leaf_hash": vi.leaf_hash,
    }


def opening_json(record: StoredRecord, person: Person, origin: str | None) -> dict[str, object]:
    """Everything that opens the record's leaf: with the leaf's receipt it is checked by anybody, without asking us again."""
    keys = open_leaf(record.seed, record.fields[Field.RECORD])
    return {
        "log": origin,
        "leaf": print_base64(record.leaf),
        "person": {"kind": person.kind, "number": person.number},
        "fields": list(record.fields),
        "salts": [print_base64(salt) for salt in keys.salts],
        "subject_key": print_base64(keys.subject),
        "statement_key": print_base64(keys.statement),
    }


def destroyed_json(gone: Destroyed) -> dict[str, object]:
    return {
        "member": gone.member,
        "first": gone.first.isoformat(),
        "last": gone.last.isoformat(),
        "records": gone.records,
        "at": print_time(gone.at),
        "rule": gone.rule,
    }


@dataclass(frozen=True, slots=True)
class Overview:
    """What a person's counts say: `agencies` and `purposes` with how often, most first; `first`: when each agency first asked."""

    counts: tuple[Count, ...]
    total: int
    outcomes: dict[str, int]
    agencies: dict[str, int]
    purposes: dict[str, int]
    first: dict[str, datetime]

    def is_first(self, record: StoredRecord) -> bool:
        return self.first.get(member_of(record.fields[Field.CONSUMER])) == record.time


def overview(counts: tuple[Count, ...]) -> Overview:
    agencies: dict[str, int] = {}
    purposes: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    first: dict[str, datetime] = {}
    for count in counts:
        member = member_of(count.consumer)
        agencies[member] = agencies.get(member, 0) + count.n
        if count.purpose:
            purposes[count.purpose] = purposes.get(count.purpose, 0) + count.n
        outcomes[count.outcome] = outcomes.get(count.outcome, 0) + count.n
        first[member] = min(first.get(member, count.first), count.first)
    return Overview(counts, sum(c.n for c in counts), outcomes, _most_first(agencies), _most_first(purposes), first)


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def parse_filter(query: dict[str, str], now: datetime) -> Filter:
    """From query parameters: `period` (30d, 12m, a year, all) or `from` and `to` (days, both included), `agency`, `purpose`,
    `outcome`. What is not understood restricts nothing."""
    since, until = _period(query.get("period", "all"), now)
    given = _day(query.get("from", "")), _day(query.get("to", ""))
    if given != (None, None):
        since, until = given[0], None if given[1] is None else given[1] + timedelta(days=1)
    outcome = query.get("outcome", "")
    return Filter(
        since,
        until,
        _code(query.get("agency", "")),
        _code(query.get("purpose", "")),
        outcome if outcome in OUTCOMES else "",
    )


def _code(text: str) -> str:
    return text[:255] if is_storable(text) else ""


def _period(text: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    if text == "30d":
        return now - timedelta(days=30), None
    if text == "12m":
        local = now.astimezone(LOCAL)
        return datetime(local.year - 1, local.month, 1, tzinfo=LOCAL), None
    if len(text) == 4 and text.isascii() and text.isdigit() and 1900 < int(text) < 9999:
        return datetime(int(text), 1, 1, tzinfo=LOCAL), datetime(int(text) + 1, 1, 1, tzinfo=LOCAL)
    return None, None


def _day(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=LOCAL) if 1900 < day.year < 9999 else None
    except ValueError:
        return None
