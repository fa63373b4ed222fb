"""The MIME of a signed directory (reference 7.2): header fields, parts, parameters. Lines end in CR LF or in LF."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.core.errors import MalformedMessage

UNREADABLE = "global_conf_parsing_downloaded_conf_directory_failure"
_MOST_FIELDS = 64
_LONGEST_LINE = 4096
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
_PARAMETER = re.compile(r"""[; ]*([A-Za-z0-9\-]+)=(?:"([^"]*)"|'([^']*)'|([^;]*))""")


def unreadable(what: str) -> MalformedMessage:
    return MalformedMessage(what, code=UNREADABLE)


def read_header(part: bytes) -> tuple[dict[str, str], bytes]:
    """Header fields (lower-case names) and everything after the blank line. A field given twice is refused."""
    fields: dict[str, str] = {}
    while part:
        line, _, part = part.partition(b"\n")
        if not (line := line.removesuffix(b"\r")):
            break
        field = _HEADER.fullmatch(line)
        # work on a header grows with the square of its size: nobody may make it large
        if field is None or len(line) > _LONGEST_LINE or len(fields) >= _MOST_FIELDS:
            raise unreadable("a broken header field, or too long or too many")
        name = field[1].lower().decode("ascii")
        if name in fields:
            raise unreadable("a repeated header field")
        fields[name] = _utf8(field[2]).strip()
    return fields, part


def _utf8(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as e:
        raise unreadable("a header field is not UTF-8") from e


def split_parts(content: bytes, boundary: bytes, *, closed: bool) -> list[bytes]:
    """The parts between delimiter lines, each without the line break that belongs to the following delimiter."""
    delimiters = list(re.finditer(rb"(?:^|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)", content))
    parts: list[bytes] = []
    for number, delimiter in enumerate(delimiters):
        if delimiter[1]:
            return parts
        following = delimiters[number + 1] if number + 1 < len(delimiters) else None
        if following is None and closed:
            break
        start = content.find(b"\n", delimiter.end()) + 1
        end = len(content) if following is None else following.start()
        if start == 0 or start > end:
            raise unreadable("a part without content")
        parts.append(content[start:end])
    if closed:
        raise unreadable("the closing boundary is missing")
    return parts


def read_parameters(value: str) -> tuple[str, Mapping[str, str]]:
    """`main; name=value; name="value"; name='value'`, names in lower case."""
    main, _, rest = value.partition(";")
    found = _PARAMETER.findall(rest)
    return main.strip(), {name.lower(): double or single or bare.strip() for name, double, single, bare in found}
