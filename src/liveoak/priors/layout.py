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
from collections.abc import Callable, Iterator, Sequence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """What a stand-in stands for."""

    draft: int
    kind: Literal["content", "reasoning", "name", "arguments"]
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
    stand_in = _unused_word(real, drafts, tools)
    fields: list[_Field] = []
    masked = [_mask(draft, index, fields, stand_in) for index, draft in enumerate(drafts)]
    outline = template.text(masked, tools, generate=generate)
    # Arguments that are an object stand as its only key.
    pattern = rf'\{{"{stand_in}(\d+)z": 0\}}|{stand_in}(\d+)z'
    places = [
        _Place(start=hit.start(), end=hit.end(), field=fields[int(hit[1] or hit[2])])
        for hit in re.finditer(pattern, outline)
    ]
    turns = list(_turns(template, drafts, outline, places, controls, stops))
    written = _match(real, outline, places) or [place.field.parts for place in places]
    foreign = _foreign(drafts, tools, controls)

    stretches: list[Stretch] = []
    at = 0
    for place, parts in zip(places, written, strict=True):
        stretches += _scaffold(outline, at, place.start, turns, controls, foreign)
        stretches += [Stretch(text=part.text, origin=part.origin) for part in parts if part.text]
        at = place.end
    return stretches + _scaffold(outline, at, len(outline), turns, controls, foreign)


def _unused_word(real: str, drafts: Sequence[Draft], tools: Sequence[ToolSpec]) -> str:
    """A word that occurs nowhere in the chat, so that no content can be taken for a stand-in."""
    text = "\n".join([real, *(draft.content for draft in drafts), repr([draft.calls for draft in drafts]), repr(tools)])
    number = 0
    while f"qx{number}zq" in text:
        number += 1
    return f"qx{number}zq"


def _mask(draft: Draft, index: int, fields: list[_Field], stand_in: str) -> Draft:
    """The draft with stand-ins; what is empty stays empty, since templates ask whether it is."""

    def word(field: _Field) -> str:
        fields.append(field)
        return f"{stand_in}{len(fields) - 1}z"

    parts: tuple[Part, ...] = ()
    if draft.content:
        parts = (Part(text=word(_Field(draft=index, kind="content", parts=draft.parts)), origin=draft.origin),)
    reasoning = ""
    if draft.reasoning:
        thought = (Part(text=draft.reasoning, origin=draft.origin),)
        reasoning = word(_Field(draft=index, kind="reasoning", parts=thought))
    calls = tuple(_mask_call(call, index, draft.origin, word) for call in draft.calls)
    return dataclasses.replace(draft, parts=parts, calls=calls, reasoning=reasoning)


def _mask_call(call: ToolCall, index: int, origin: Origin, word: Callable[[_Field], str]) -> ToolCall:
    value = arguments_of(call)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    name = word(_Field(draft=index, kind="name", parts=(Part(text=call.name, origin=origin),)))
    arguments = word(_Field(draft=index, kind="arguments", parts=(Part(text=text, origin=origin),)))
    if isinstance(value, dict):
        arguments = json.dumps({arguments: 0})
    return dataclasses.replace(call, name=name, arguments=arguments)


def _match(real: str, outline: str, places: Sequence[_Place]) -> list[tuple[Part, ...]] | None:
    """What stands in `real` for each place, or None if `real` is not the outline with its places filled."""
    ends = [place.start for place in places[1:]] + [len(outline)]
    first = places[0].start if places else len(outline)
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
        for left, right in ((True, True), (True, False), (False, True)):
            yield _strip(field.parts, left=left, right=right)
    for ascii_only in (False, True):
        yield tuple(
            Part(text=json.dumps(part.text, ensure_ascii=ascii_only)[1:-1], origin=part.origin) for part in field.parts
        )


def _strip(parts: tuple[Part, ...], *, left: bool, right: bool) -> tuple[Part, ...]:
    """The parts with the white space at the ends of their joined text removed."""
    kept = list(parts)
    if left:
        for index, part in enumerate(kept):
            kept[index] = dataclasses.replace(part, text=part.text.lstrip())
            if kept[index].text:
                break
    if right:
        for index in range(len(kept) - 1, -1, -1):
            kept[index] = dataclasses.replace(kept[index], text=kept[index].text.rstrip())
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
    foreign: re.Pattern[str] | None,
) -> list[Stretch]:
    """The template's own text between two places, cut at its control tokens and at the borders of turns."""
    text = outline[start:end]
    shielded = [hit.span() for hit in foreign.finditer(text)] if foreign else []
    cuts: list[tuple[int, int, bool]] = []
    at = 0
    for hit in controls.finditer(text):
        if any(low <= hit.start() and hit.end() <= high for low, high in shielded):
            continue
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


def _foreign(drafts: Sequence[Draft], tools: Sequence[ToolSpec], controls: re.Pattern[str]) -> re.Pattern[str] | None:
    """Matches the strings of tools and the ids of calls that hold a marker: templates write them among their own."""
    leaves = {leaf for tool in tools for leaf in _strings([tool.name, tool.description, tool.parameters])}
    leaves |= {call.id for draft in drafts for call in draft.calls}
    leaves |= {draft.call_id for draft in drafts if draft.call_id}
    risky = {leaf for leaf in leaves if controls.search(leaf)}
    forms = {form for leaf in risky for form in (leaf, json.dumps(leaf, ensure_ascii=False)[1:-1])}
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))) if forms else None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
