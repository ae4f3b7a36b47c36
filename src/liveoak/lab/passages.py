"""Public passages with questions, and general text, found by LIVEOAK_DATA and never part of the project."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from liveoak.errors import StorageError, UserError
from liveoak.worlds import AskedText, read_texts, split_of_text

DATA = "LIVEOAK_DATA"
_PARAGRAPH = 400
"""A paragraph of general text has at least so many characters; shorter lines are headings and the like."""

Passage = AskedText
"""What a text with questions is called in this field."""


def squad_passages(count: int, name: str = "train", first: int = 0) -> tuple[Passage, ...]:
    """`count` passages, from the place `first` on, of those of the selection `name` that have questions.

    Source: SQuAD 1.1 (Rajpurkar et al. 2016), CC BY-SA 4.0.

    Raises:
        UserError: LIVEOAK_DATA is not set, or holds fewer.
        StorageError: a file that is not of the expected form.
    """
    found = all_passages(name)
    if len(found) < first + count:
        raise UserError(
            f"{passages_file(name)} has {len(found)} passages with questions, {count} were asked for, from place "
            f"{first} on: ask for fewer"
        )
    return found[first : first + count]


def all_passages(name: str) -> tuple[Passage, ...]:
    """Those of the selection `name` that have questions. Source and errors as of `squad_passages`."""
    try:
        return read_texts(passages_file(name))
    except (OSError, ValueError) as error:
        raise StorageError(str(error)) from None


def passages_file(name: str) -> Path:
    """Where the selection `name` is.

    Raises:
        UserError: LIVEOAK_DATA is not set, or does not hold it.
    """
    return _find(f"squad/{name}.json")


class _Edited(BaseModel):
    title: str
    context: str
    self_edits: list[str]


def self_edits(count: int) -> tuple[tuple[str, ...], ...]:
    """The first `count` passages, each as the lines of a lesson: the passage, and what a larger model made of it.

    Source: self-edits by Qwen2.5-7B on SQuAD passages, from SEAL (Zweiger et al. 2025), MIT.

    Raises:
        UserError: LIVEOAK_DATA is not set, or holds fewer.
        StorageError: a file that is not of the expected form.
    """
    found = _edits()
    if len(found) < count:
        raise UserError(f"there are {len(found)} passages with self-edits, {count} were asked for: ask for fewer")
    return tuple((context, *lines) for context, lines in list(found.items())[:count])


def edited_passages() -> tuple[tuple[Passage, tuple[str, ...]], ...]:
    """Training passages whose titles are held out where texts are trained on, and what a larger model made of each.

    Sources and errors as of `squad_passages` and `self_edits`.
    """
    lines = _edits()
    return tuple(
        (one, lines[one.text])
        for one in all_passages("train")
        if lines.get(one.text) and split_of_text(one) == "held_out"
    )


def _edits() -> dict[str, tuple[str, ...]]:
    """What the larger model made of each passage, by its text, in the order of the file."""
    path = _find("squad/seal_self_edits_qwen2.5_7b.json")
    try:
        read = TypeAdapter(list[_Edited]).validate_python(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise StorageError(f"{path}: expected a list of {{title, context, self_edits}}: {error}") from None
    return {
        one.context: tuple(line.strip() for line in one.self_edits[0].splitlines() if line.strip())
        for one in read
        if one.self_edits
    }


def general_paragraphs(count: int) -> tuple[str, ...]:
    """`count` paragraphs of general text, spread evenly over the file.

    Source: WikiText-2 (Merity et al. 2016), CC BY-SA 3.0.

    Raises:
        UserError: LIVEOAK_DATA is not set, or the file has fewer.
    """
    path = _find("wikitext2/valid.txt")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    paragraphs = [line for line in lines if len(line) >= _PARAGRAPH]
    if len(paragraphs) < count:
        raise UserError(f"{path} has {len(paragraphs)} paragraphs, {count} were asked for: ask for fewer")
    return tuple(paragraphs[place * len(paragraphs) // count] for place in range(count))


def _find(name: str) -> Path:
    folder = os.environ.get(DATA)
    if not folder:
        raise UserError(
            f"this experiment runs on public data that is no part of liveoak: set {DATA} to a folder that holds "
            f"{name} (docs/lab.md says what is in it)"
        )
    path = Path(folder).expanduser() / name
    if not path.is_file():
        raise UserError(f"{DATA} = {folder!r} holds no {name}; docs/lab.md says what is expected there")
    return path
