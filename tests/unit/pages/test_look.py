"""A site's own files come first; a missing name is an error; names change with the content."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from gateway.pages.look import Look, static_files, static_name
from gateway.pages.words import Catalogue

WORDS = "site: Sổ\nskip: Bỏ qua\nnav: Chính\nlanguages: Ngôn ngữ\nno: 1.10\nhello: Chào <b>{name}</b>\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in ("templates", "static", "words"):
        (tmp_path / name).mkdir()
    for language in ("vi", "en"):
        (tmp_path / "words" / f"{language}.yaml").write_text(WORDS, "utf-8")
    (tmp_path / "templates" / "a.html").write_text(
        '{% extends "frame.html" %}{% block title %}A{% endblock %}{% block main %}{{ t("hello", name=name) }}{% endblock %}'
    )
    return tmp_path


def test_a_page_in_the_shared_frame(site: Path) -> None:
    look = Look(site, Catalogue.load(site / "words"))
    page = look("vi", "a", prefix="", path="/x", session=None, name="<i>")
    assert "<title>A – Sổ</title>" in page
    assert "Chào <b>&lt;i&gt;</b>" in page
    assert 'href="/en/x"' in page
    with pytest.raises(UndefinedError):
        look("vi", "a", prefix="", session=None, name="")


def test_a_sites_own_file_comes_first(site: Path) -> None:
    shared = {path.name: path for path in static_files(site)}
    assert {"pages.css", "mark.svg"} <= shared.keys()
    own = site / "static" / "mark.svg"
    own.write_text("<svg/>")
    assert {path.name: path for path in static_files(site)} == {**shared, "mark.svg": own}
    assert static_name(own) != static_name(shared["mark.svg"])


def test_every_scalar_is_a_text(site: Path) -> None:
    texts = Catalogue.load(site / "words")["en"].texts
    assert (texts["no"], Catalogue("en", texts)("no")) == ("1.10", Markup("1.10"))
