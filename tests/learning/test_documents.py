"""Documents of every kind that `liveoak learn` takes, and those that it must refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpdf import FPDF
from fpdf.encryption import EncryptionMethod
from hypothesis import given
from hypothesis import strategies as st

from liveoak.errors import BadDocument
from liveoak.learning.documents import MAX_BYTES, document_text, lesson_from_document, read_document

FACT = "The Tarn office opens at seven."


def pdf(path: Path, text: str, password: str | None = None) -> Path:
    page = FPDF()
    page.add_page()
    page.set_font("Helvetica", size=12)
    if text:
        page.multi_cell(0, 8, text)
    if password:
        page.set_encryption(owner_password="owner", user_password=password, encryption_method=EncryptionMethod.RC4)
    page.output(str(path))
    return path


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip))
def test_any_utf8_text_is_read_unchanged(text: str) -> None:
    if not text.startswith("\ufeff") and not text.lstrip().lower().startswith(
        ("<html", "<!doctype", "%pdf", "<?xml", "<!--")
    ):
        assert document_text(text.encode(), "a.txt") == text


def test_text_keeps_its_lines_and_loses_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "notes.md"
    path.write_bytes(b"\xef\xbb\xbf# Notes\r\n\r\n- caf\xc3\xa9\tna\xc3\xafve \xf0\x9f\x8c\xb3\r\n")
    assert read_document(path) == "# Notes\r\n\r\n- café\tnaïve 🌳\r\n"


def test_html_becomes_text_without_scripts_and_styles(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(
        "<!DOCTYPE html><html><head><title>T</title><style>.x{color:red}</style></head><body><h1>Hours</h1>"
        f"<script>alert('no')</script><p>{FACT}</p><ul><li>caf&eacute;</li></ul></body></html>"
    )
    text = read_document(path)
    assert FACT in text
    assert "# Hours" in text
    assert "café" in text
    assert "alert" not in text
    assert "color" not in text


def test_html_is_known_without_its_suffix() -> None:
    text = document_text(f"\n<!-- a page --><HTML><body><p>{FACT}</p></body></HTML>".encode(), "standard input")
    assert text.strip() == FACT


def test_html_in_another_charset_is_read() -> None:
    page = '<html><head><meta charset="iso-8859-1"></head><body>caf\xe9 cr\xe8me</body></html>'
    assert document_text(page.encode("latin-1"), "a.html").strip() == "café crème"


def test_pdf_becomes_text(tmp_path: Path) -> None:
    text = read_document(pdf(tmp_path / "hours.pdf", f"Hours\n\n{FACT}\nIt closes at four."))
    assert FACT in text
    assert "It closes at four." in text


def test_pdf_is_known_by_its_bytes(tmp_path: Path) -> None:
    assert FACT in document_text(pdf(tmp_path / "x", FACT).read_bytes(), "standard input")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.txt", b"", "empty"),
        ("blank.md", b" \n\t\n", "empty"),
        ("photo.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", "binary"),
        ("archive.txt", b"PK\x03\x04\x14\x00", "binary"),
        ("latin.txt", "café au lait".encode("latin-1"), "byte 0xe9 at position 3"),
        ("wide.txt", "wide".encode("utf-16"), "UTF-16"),
        ("large.txt", b"x" * (MAX_BYTES + 1), "over 32 MiB"),
        ("broken.pdf", b"%PDF-1.4\nnot really", "damaged PDF"),
        ("hollow.html", b"<html><body><script>1</script></body></html>", "no text"),
        ("binary.html", b"<html>\x00\x01</html>", "binary"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadDocument) as caught:
        read_document(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert said in message
    assert "Traceback" not in message


def test_missing_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadDocument, match="no such file"):
        read_document(tmp_path / "gone.txt")
    with pytest.raises(BadDocument, match="a folder"):
        read_document(tmp_path)


def test_an_encrypted_pdf_is_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(BadDocument, match="encrypted PDF"):
        read_document(pdf(tmp_path / "secret.pdf", FACT, password="x"))


def test_a_pdf_of_pictures_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(BadDocument, match="text recognition"):
        read_document(pdf(tmp_path / "scan.pdf", ""))


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("intro line that is a sentence.\n\n## Office hours\nx", "Office hours"),
        ("Office hours\n\nWe open at seven.", "Office hours"),
        ("We open at seven.\nAnd close.", "memo"),
        ("x" * 100, "memo"),
    ],
)
def test_a_document_names_its_topic(tmp_path: Path, text: str, topic: str) -> None:
    path = tmp_path / "memo.txt"
    path.write_text(text)
    lesson = lesson_from_document(path, "high")
    assert (lesson.topic, lesson.source, lesson.effort) == (topic, text, "high")
    assert lesson_from_document(path, "low", "Given").topic == "Given"
    assert lesson.id != lesson_from_document(path).id
