"""Which characters of a rendered chat are whose.

The template is rendered twice: on the real messages, and with a stand-in word for each content, tool name and set of
arguments. Around the stand-ins lies what the template itself wrote; matched against the real text it gives the range
of every content, also where the template trims or escapes. Control tokens are looked for in the template's own
pieces alone, so that no content can forge one.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from liveoak.priors.template import ChatTemplate, Draft, Part, arguments_of
from liveoak.records import Origin, ToolCall, ToolSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Text by one hand. `control` is True if it is one control token, written by the template."""

    text: str
    origin: Origin
    control: bool = False


_Kind = Literal["content", "reasoning", "name", "arguments", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """What a stand-in stands for."""

    draft: int | None
    """Whose message it belongs to; None for a tool's."""
    kind: _Kind
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A field's range in the text with stand-ins."""

    start: int
    end: int
    field: _Field


def lay_out(
    template: ChatTemplate,
    drafts: Sequence[Draft],
    tools: Sequence[ToolSpec],
    *,
    generate: bool,
    controls: re.Pattern[str],
    stops: frozenset[str],
) -> list[Stretch]:
    """The rendered chat as stretches; joined, their text is the template's own output.

    Where a template looks into a content and writes something else because of what it finds there, the stretches
    are those that it writes for a content without such marks, with the content as it is in its place.
    """
    real = template.text(drafts, tools, generate=generate)
    mask = _Mask(_unused_word(real, drafts, tools), controls)
    masked = [mask.draft(draft, index) for index, draft in enumerate(drafts)]
    outline = template.text(masked, mask.tools(tools), generate=generate)
    # Arguments that are an object stand as its only key.
    pattern = rf'\{{"{mask.word}(\d+)z": 0\}}|{mask.word}(\d+)z'
    places = [
        _Place(start=hit.start(), end=hit.end(), field=mask.fields[int(hit[1] or hit[2])])
        for hit in re.finditer(pattern, outline)
    ]
    turns = list(_turns(template, drafts, outline, places, controls, stops))
    written = _match(real, outline, places) or [place.field.parts for place in places]

    stretches: list[Stretch] = []
    at = 0
    for place, parts in zip(places, written, strict=True):
        stretches += _scaffold(outline, at, place.start, turns, controls)
        stretches += [Stretch(text=part.text, origin=part.origin) for part in parts if part.text]
        at = place.end
    return stretches + _scaffold(outline, at, len(outline), turns, controls)


def _unused_word(real: str, drafts: Sequence[Draft], tools: Sequence[ToolSpec]) -> str:
    """A word that occurs nowhere in the chat, so that no content can be taken for a stand-in."""
    text = "\n".join([real, *(draft.content for draft in drafts), repr([draft.calls for draft in drafts]), repr(tools)])
    number = 0
    while f"qx{number}zq" in text:
        number += 1
    return f"qx{number}zq"


class _Mask:
    """Puts stand-ins in place of what the template did not write, and remembers what they stand for.

    What is empty or white stays as it is, since templates ask whether it is. Strings of tools and the ids of calls are
    masked where they hold a marker; else they are the template's as much as ours.
    """

    def __init__(self, word: str, controls: re.Pattern[str]) -> None:
        self.word = word
        self.fields: list[_Field] = []
        self._controls = controls

    def draft(self, draft: Draft, index: int) -> Draft:
        parts = draft.parts
        if draft.content.strip():
            parts = (Part(text=self._stand_in(index, "content", draft.parts), origin=draft.origin),)
        reasoning = ""
        if draft.reasoning:
            thought = (Part(text=draft.reasoning, origin=draft.origin),)
            reasoning = self._stand_in(index, "reasoning", thought)
        calls = tuple(self._call(call, index, draft.origin) for call in draft.calls)
        call_id = draft.call_id and self._string(draft.call_id, index, Origin.SCAFFOLD)
        return dataclasses.replace(draft, parts=parts, calls=calls, reasoning=reasoning, call_id=call_id)

    def tools(self, tools: Sequence[ToolSpec]) -> list[ToolSpec]:
        return [
            ToolSpec(
                name=self._string(tool.name),
                description=self._string(tool.description),
                parameters=self._value(tool.parameters),
            )
            for tool in tools
        ]

    def _stand_in(self, draft: int | None, kind: _Kind, parts: tuple[Part, ...]) -> str:
        self.fields.append(_Field(draft=draft, kind=kind, parts=parts))
        return f"{self.word}{len(self.fields) - 1}z"

    def _call(self, call: ToolCall, index: int, origin: Origin) -> ToolCall:
        value = arguments_of(call)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        name = self._stand_in(index, "name", (Part(text=call.name, origin=origin),))
        arguments = self._stand_in(index, "arguments", (Part(text=text, origin=origin),))
        if isinstance(value, dict):
            arguments = json.dumps({arguments: 0})
        return ToolCall(id=self._string(call.id, index, origin), name=name, arguments=arguments)

    def _string(self, text: str, draft: int | None = None, origin: Origin = Origin.SCAFFOLD) -> str:
        if not self._controls.search(text):
            return text
        return self._stand_in(draft, "other", (Part(text=text, origin=origin),))

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, dict):
            return {self._string(str(key)): self._value(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(inner) for inner in value]
        return value


def _match(real: str, outline: str, places: Sequence[_Place]) -> list[tuple[Part, ...]] | None:
    """What stands in `real` for each place, or None if `real` is not the outline with its places filled."""
    if not places:
        return [] if real == outline else None
    ends = [place.start for place in places[1:]] + [len(outline)]
    first = places[0].start
    if real[:first] != outline[:first]:
        return None
    found: list[tuple[Part, ...]] = []
    at = first
    for place, end in zip(places, ends, strict=True):
        after = outline[place.end : end]
        for parts in _forms(place.field):
            text = "".join(part.text for part in parts)
            if real.startswith(text, at) and real.startswith(after, at + len(text)):
                found.append(parts)
                at += len(text) + len(after)
                break
        else:
            return None
    return found if at == len(real) else None


def _forms(field: _Field) -> Iterator[tuple[Part, ...]]:
    """The ways in which templates write a content, the most faithful first."""
    yield field.parts
    if field.kind in ("content", "reasoning"):
        # Some templates strip all white space, some line breaks alone.
        for what in (None, "\n"):
            for left, right in ((True, True), (True, False), (False, True)):
                yield _strip(field.parts, what, left=left, right=right)
    for ascii_only in (False, True):
        yield tuple(
            Part(text=json.dumps(part.text, ensure_ascii=ascii_only)[1:-1], origin=part.origin) for part in field.parts
        )


def _strip(parts: tuple[Part, ...], what: str | None, *, left: bool, right: bool) -> tuple[Part, ...]:
    """The parts with the white space at the ends of their joined text removed; `what` as in `str.strip`."""
    kept = list(parts)
    if left:
        for index, part in enumerate(kept):
            kept[index] = dataclasses.replace(part, text=part.text.lstrip(what))
            if kept[index].text:
                break
    if right:
        for index in range(len(kept) - 1, -1, -1):
            kept[index] = dataclasses.replace(kept[index], text=kept[index].text.rstrip(what))
            if kept[index].text:
                break
    return tuple(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """The range of the outline that an assistant wrote, the token that ends its turn included."""

    start: int
    end: int
    origin: Origin


def _turns(
    template: ChatTemplate,
    drafts: Sequence[Draft],
    outline: str,
    places: Sequence[_Place],
    controls: re.Pattern[str],
    stops: frozenset[str],
) -> Iterator[_Turn]:
    traits = template.traits
    cursor = 0
    for index, draft in enumerate(drafts):
        own = [place for place in places if place.field.draft == index]
        if draft.role != "assistant":
            cursor = max([cursor, *(place.end for place in own)])
            continue
        opened = outline.find(traits.header, cursor)
        body = cursor if opened < 0 else opened + len(traits.header)
        start, end = (own[0].start, own[-1].end) if own else (body, body)
        # The agent itself writes what wraps its calls and its thinking.
        opening = own[0].field.kind if own else "content"
        if opening == "reasoning":
            start = body
        elif opening != "content":
            wrapped = outline.rfind(traits.format.marker, cursor, start)
            start = body if wrapped < 0 else wrapped
        following = next((place.start for place in places if place.start >= end and place not in own), len(outline))
        stop = next((hit.end() for hit in controls.finditer(outline, end, following) if hit[0] in stops), None)
        if stop is None and draft.calls and traits.format.close:
            closed = outline.find(traits.format.close, end, following)
            stop = None if closed < 0 else closed + len(traits.format.close)
        cursor = stop or end
        yield _Turn(start=start, end=cursor, origin=draft.origin)


def _scaffold(
    outline: str,
    start: int,
    end: int,
    turns: Sequence[_Turn],
    controls: re.Pattern[str],
) -> list[Stretch]:
    """The template's own text between two places, cut at its control tokens and at the borders of turns."""
    text = outline[start:end]
    cuts: list[tuple[int, int, bool]] = []
    at = 0
    for hit in controls.finditer(text):
        cuts += [(at, hit.start(), False), (hit.start(), hit.end(), True)]
        at = hit.end()
    cuts.append((at, len(text), False))
    found: list[Stretch] = []
    for low, high, control in cuts:
        borders = {border - start for turn in turns for border in (turn.start, turn.end)}
        inner = sorted(border for border in borders if low < border < high)
        for left, right in zip([low, *inner], [*inner, high], strict=True):
            if left < right:
                found.append(Stretch(text=text[left:right], origin=_origin_at(start + left, turns), control=control))
    return found


def _origin_at(at: int, turns: Sequence[_Turn]) -> Origin:
    return next((turn.origin for turn in turns if turn.start <= at < turn.end), Origin.SCAFFOLD)
