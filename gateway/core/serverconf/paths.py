"""Service paths and the globs that rights are written in (reference 8.1).

Rule: what is matched is what *any* provider would read. A path that a framework behind us could read in two ways (an escape
inside an escape, a dot segment, an encoded slash, a path parameter behind dots) has no segments at all: it is refused.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from gateway.core.errors import MalformedMessage

_PCHAR = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]++|%[0-9A-Fa-f]{2})*+")
# `%`: double encoding, which real servers refuse as well (reference 1.2). U+200B, U+FEFF: invisible, some frameworks drop them.
_FORBIDDEN = re.compile("[/\\\\%\x00-\x1f\x7f-\x9f\u200b\ufeff]")
# Some servers cut `;parameters` off, others drop trailing dots and blanks: `..;x` and `.. .` climb there.
_DOTS = re.compile(r"[. ]+(?:;.*)?", re.DOTALL)
_TOKEN = re.compile(r"\\[*\\]|\*+|\{[^{}/]*\}|.", re.DOTALL)
_MOST_STARS = 12


def path_segments(service_path: str) -> tuple[str, ...]:
    """Segments of a raw service path (without the leading slash), each decoded once, after splitting.

    `""` has none, `"/"` has one empty one. MalformedMessage (`access_denied`) for a path of more than one meaning.
    """
    if not service_path:
        return ()
    if service_path[0] != "/":
        raise MalformedMessage("a service path begins with a slash", code="access_denied")
    return tuple(_decode(raw) for raw in service_path[1:].split("/"))


def _decode(raw: str) -> str:
    if not _PCHAR.fullmatch(raw):
        raise MalformedMessage("illegal character or broken escape in the service path", code="access_denied")
    if "%" not in raw:
        text = raw
    else:
        try:
            text = unquote_to_bytes(raw).decode("utf-8")  # strict: an overlong form of `/` is not UTF-8
        except UnicodeDecodeError as e:
            raise MalformedMessage("the service path is not UTF-8", code="access_denied") from e
    # Full-width dots and slashes turn into plain ones where a provider normalises (NFKC).
    for form in (text,) if text.isascii() else (text, unicodedata.normalize("NFKC", text)):
        if _FORBIDDEN.search(form) or _DOTS.fullmatch(form):
            raise MalformedMessage("the service path could be read in two ways", code="access_denied")
    return text


def readings(segments: tuple[str, ...]) -> tuple[str, ...]:
    """The paths that a glob must *all* match; none when the path has an empty segment other than the last.

    Servers merge repeated slashes (reference 1.2), so `//` would let another path through than the one matched. Some cut path
    parameters off, so `/public/secret;.json` is `/public/secret` as well.
    """
    path = "".join(["/" + s for s in segments])
    if "" in segments[:-1]:
        return ()
    if ";" not in path:
        return (path,)
    if any(s.startswith(";") for s in segments):
        return ()
    return path, "".join(["/" + s.partition(";")[0] for s in segments])


def glob_matches(glob: str, path: str) -> bool:
    """Whole-path match. `*`: any run inside one segment, but a segment that is only `*` is not empty; `**`: anything; `\\*`
    and `\\\\`: the character itself; all else literal, case-sensitive (reference 8.1, without its possessive `*`)."""
    return glob == "**" or _compile(glob).fullmatch(path) is not None


@lru_cache(4096)
def _compile(glob: str) -> re.Pattern[str]:
    segments: list[list[str]] = [[]]
    for piece in _TOKEN.findall(glob):
        if piece == "/":
            segments.append([])
        else:
            segments[-1].append(piece)
    return re.compile("/".join(map(_segment_pattern, segments)), re.DOTALL)


def _segment_pattern(tokens: list[str]) -> str:
    if tokens == ["*"]:
        return "[^/]+"
    if any(_is_star(t) and len(t) > 1 for t in tokens):
        return "".join(("[^/]*" if t == "*" else ".*") if _is_star(t) else _literal(t) for t in tokens)
    first, *others = _literals(tokens)
    if not others:
        return first
    # The first place where a text between two stars fits is as good as any: atomic, so a long path costs no more than its length.
    return first + "".join(f"(?>[^/]*?{text})" for text in others[:-1]) + "[^/]*" + others[-1]


def _literals(tokens: list[str]) -> list[str]:
    """The texts between single stars, as regular expressions."""
    texts = [""]
    for token in tokens:
        if _is_star(token):
            texts.append("")
        else:
            texts[-1] += _literal(token)
    return texts


def _is_star(token: str) -> bool:
    return token[0] == "*"


def _literal(token: str) -> str:
    return re.escape(token[1:] if token in ("\\*", "\\\\") else token)


def check_glob(glob: str) -> str:
    """A glob as an administrator may write it. MalformedMessage when it can match nothing or takes too long to match."""
    if glob != "**" and not glob.startswith("/"):
        raise MalformedMessage("a path begins with a slash")
    stars = [t for t in _TOKEN.findall(glob) if _is_star(t)]
    if len(stars) > _MOST_STARS or sum(len(t) > 1 for t in stars) > 2:
        raise MalformedMessage("too many stars in a path")  # each `**` multiplies the steps a long path can cost
    if _FORBIDDEN.search(glob.replace("/", "").replace("\\*", "").replace("\\\\", "")):
        raise MalformedMessage("a path is written decoded, without escapes and control characters")
    if any(_DOTS.fullmatch(s) for s in glob.split("/")) or "//" in glob:
        raise MalformedMessage("a path has no empty and no dot segments")
    return glob


def template_glob(template: str) -> str:
    """An OpenAPI path template as a glob: `{parameter}` becomes `*`, literal stars and backslashes are escaped."""
    return "".join(
        "*" if t[0] == "{" and len(t) > 1 else re.sub(r"([*\\])", r"\\\1", t) for t in _TOKEN.findall(template)
    )
