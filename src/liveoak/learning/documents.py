"""From a document to the lesson that it is. Knows files and their formats; what is studied is decided elsewhere."""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import re
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

from liveoak.errors import BadDocument
from liveoak.experience import new_id
from liveoak.records import Effort, Lesson

MAX_BYTES = 32 * 1024 * 1024
_HTML_SUFFIXES = (".html", ".htm", ".xhtml")
_HTML_START = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_LONGEST_TOPIC = 80
# A text has none of these; tab, line feed, form feed, carriage return and escape do occur in texts.
_BINARY = bytes(set(range(32)) - {9, 10, 12, 13, 27})


def read_document(path: Path | str) -> str:
    """The text of a file: plain text and Markdown as they are, PDF and HTML as Markdown.

    Raises:
        BadDocument: missing, empty, binary, too large, not UTF-8, damaged, or an encrypted PDF.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadDocument(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise BadDocument(f"{path}: a folder, not a document; name the files in it") from None
    except OSError as error:
        raise BadDocument(f"{path}: cannot be read: {error.strerror}") from None
    return document_text(data, str(path))


def document_text(data: bytes, name: str) -> str:
    """The text of a document's bytes. `name` stands in messages, and its suffix helps to tell the format.

    Raises:
        BadDocument: as `read_document`.
    """
    if len(data) > MAX_BYTES:
        raise BadDocument(f"{name}: over {MAX_BYTES // 2**20} MiB; split it, and learn the parts that matter")
    if not data.strip():
        raise BadDocument(f"{name}: empty; a lesson needs some text")
    if data[:1024].lstrip().startswith(b"%PDF-"):
        text = _from_pdf(data, name)
    elif name.lower().endswith(_HTML_SUFFIXES) or _HTML_START.match(data[:4096]):
        text = _from_html(data, name)
    else:
        text = _from_plain(data, name)
    if not text.strip():
        raise BadDocument(f"{name}: no text in it; if it is a scan, run text recognition (OCR) first")
    return text


def lesson_from_document(path: Path | str, effort: Effort = "medium", topic: str | None = None) -> Lesson:
    """A lesson whose source is the document. Without a topic, its first heading or the file's name is the topic."""
    return lesson_from_text(read_document(path), effort, topic, fallback=Path(path).stem)


def lesson_from_text(
    text: str, effort: Effort = "medium", topic: str | None = None, *, fallback: str = "untitled"
) -> Lesson:
    return Lesson(id=new_id("lesson"), topic=topic or _title(text) or fallback, source=text, effort=effort)


def _title(text: str) -> str | None:
    """The first Markdown heading, or a short first line that does not end like a sentence."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    headings = (line.lstrip("#").strip() for line in lines if re.match(r"#{1,6}\s+\S", line))
    first = lines[0] if lines else ""
    plain = first if len(first) <= _LONGEST_TOPIC and not first.endswith((".", "!", "?", ":", ";", ",")) else None
    heading = next(headings, None)
    return heading[:_LONGEST_TOPIC] if heading else plain


def _from_plain(data: bytes, name: str) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadDocument(f"{name}: UTF-16 text; save it as UTF-8")
    if data.translate(None, _BINARY) != data:
        raise BadDocument(f"{name}: a binary file, not a text; convert it to text, Markdown, HTML or PDF first")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadDocument(
            f"{name}: not UTF-8 text (byte 0x{data[error.start]:02x} at position {error.start}); save it as UTF-8"
        ) from None


def _from_html(data: bytes, name: str) -> str:
    if b"\0" in data:
        raise BadDocument(f"{name}: a binary file, not HTML; convert it to text, Markdown, HTML or PDF first")
    return _converted(data, ".html", name)


def _from_pdf(data: bytes, name: str) -> str:
    # Asked first, as the converter tells an encrypted file from a damaged one only deep inside its message.
    from pdfminer.pdfdocument import PDFDocument, PDFPasswordIncorrect
    from pdfminer.pdfparser import PDFParser

    try:
        with _quiet():
            PDFDocument(PDFParser(io.BytesIO(data)))
    except PDFPasswordIncorrect:
        raise BadDocument(f"{name}: an encrypted PDF; save a copy without the password first") from None
    except Exception as error:  # border: whatever a PDF parser makes of a damaged file
        raise BadDocument(f"{name}: a damaged PDF ({type(error).__name__}: {error}); save it anew") from None
    # pdfminer ends pages with form feeds.
    return _converted(data, ".pdf", name).replace("\f", "\n\n")


def _converted(data: bytes, suffix: str, name: str) -> str:
    from markitdown import MarkItDown, StreamInfo

    converter: Any = MarkItDown(enable_builtins=True, enable_plugins=False)
    try:
        with _quiet():
            return converter.convert_stream(io.BytesIO(data), stream_info=StreamInfo(extension=suffix)).text_content
    except Exception as error:  # border: converters of other people's formats raise what they like
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BadDocument(f"{name}: cannot be converted to text ({why}); convert it to plain text first") from None


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Without the warnings of the converters, which speak of fonts and not to our users."""
    logger = logging.getLogger("pdfminer")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
