"""An episode as the tokens that were read and written while it was lived.

Tokens are only ever added, so that what is learned from is exactly what was seen, whatever a template would make of the
same chat later, and so that each prompt begins with the one before it. When a window is full, the next one begins with
the instructions and the latest turns; what is carried over is context there, and is learned from where it was lived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from liveoak.errors import UserError
from liveoak.learning.lived import Lived
from liveoak.priors import ChatTokenizer
from liveoak.records import Message, Origin, Rendered, Span, ToolSpec
from liveoak.signals import Acted, Episode, Source

CARRIED = 0.5
"""Share of a window that the latest turns may take in the next one."""
_SAID = (Origin.ACTED, Origin.DEMONSTRATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Tokens of one origin."""

    origin: Origin
    ids: tuple[int, ...]


class Layout:
    """How one tokenizer writes what stands around observations and actions, with the tools that the agent is shown.
    Kept, since worlds repeat themselves."""

    def __init__(self, tokenizer: ChatTokenizer, tools: Sequence[ToolSpec] = ()) -> None:
        self._tokenizer, self._tools = tokenizer, tuple(tools)
        self.opening = lru_cache(4096)(self._opening)
        self.following = lru_cache(4096)(self._following)
        self.end = self._end()
        """What ends the agent's turn; empty in a family where nothing does."""

    def said(self, text: str) -> tuple[int, ...]:
        """Tokens of an action that somebody writes in the agent's place, with the end of the turn."""
        return (*self._tokenizer.encode(text), *self.end)

    def named(self, text: str, possible: Sequence[str]) -> tuple[Piece, ...]:
        """The same where a reply was held to some actions: a token that all those left have next is scaffold."""
        ids, left = self.said(text), [self.said(action) for action in possible]
        found: list[Piece] = []
        for place, token in enumerate(ids):
            left = [action for action in left if action[:place] == ids[:place]]
            open = not possible or any(action[place : place + 1] != (token,) for action in left)
            found.append(Piece(origin=Origin.DEMONSTRATED if open else Origin.SCAFFOLD, ids=(token,)))
        return tuple(found)

    def _opening(self, instructions: str, seen: str) -> tuple[Piece, ...]:
        """Instructions if there are any, the first observation, and what opens the agent's turn."""
        told = [Message(role="system", content=instructions)] if instructions else []
        messages = [*told, Message(role="user", content=seen)]
        origins = [*(None for _ in told), Origin.OBSERVED]
        rendered = self._tokenizer.render(messages, self._tools, add_generation_prompt=True, origins=origins)
        return _pieces(rendered, 0)

    def _following(self, seen: str) -> tuple[Piece, ...]:
        """What comes between the end of one turn of the agent and its next word."""
        messages = [_ASKED, _REPLIED, Message(role="user", content=seen)]
        origins = [None, None, Origin.OBSERVED]
        rendered = self._tokenizer.render(messages, self._tools, add_generation_prompt=True, origins=origins)
        return _pieces(rendered, max(span.end for span in rendered.spans if span.origin is Origin.ACTED))

    def _end(self) -> tuple[int, ...]:
        rendered = self._tokenizer.render([_ASKED, _REPLIED])
        end = rendered.ids[max(span.end for span in rendered.spans if span.origin is Origin.ACTED) - 1]
        return (end,) if end in self._tokenizer.stop_ids else ()


_ASKED, _REPLIED = Message(role="user", content="?"), Message(role="assistant", content="!")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What was said, and what was seen after it."""

    said: tuple[Piece, ...]
    seen: tuple[Piece, ...]

    @property
    def size(self) -> int:
        return sum(len(piece.ids) for piece in (*self.said, *self.seen))


class Transcript:
    """Takes down one episode. `window` is the most tokens of a prompt."""

    def __init__(self, layout: Layout, instructions: str, seen: str, *, window: int) -> None:
        """
        Raises:
            UserError: instructions and first observation fill the window.
        """
        self._layout, self._window = layout, window
        self._head = tuple(layout.opening(instructions, seen))
        self._instructions = instructions
        self._pieces: list[Piece] = list(self._head)
        self._size = self._start = 0
        self._starts = [0]
        self._size = sum(len(piece.ids) for piece in self._head)
        if self._size >= window:
            raise UserError(
                f"instructions and first observation have {self._size} tokens; expected fewer than the window's "
                f"{window}: take a larger window"
            )
        self._turns: list[_Turn] = []
        self._said: tuple[Piece, ...] = ()
        self._window_begins = 0
        """Number of the piece that the window begins with."""
        self._asked: list[tuple[int, int]] = []
        """What was in sight at each turn: from which piece on, and up to which."""
        self._acted: list[Acted] = []

    @property
    def prompt(self) -> tuple[int, ...]:
        """What the agent reads before its next action."""
        ids = [token for piece in self._pieces for token in piece.ids]
        return tuple(ids[self._start :])

    def act(self, turn: str, ids: Sequence[int], logprobs: Sequence[float], chosen: Sequence[bool]) -> None:
        """The agent acted. Tokens that it did not choose, and what ends its turn if it did not, are scaffold."""
        self._asked.append((self._window_begins, len(self._pieces)))
        places = tuple(self._size + offset for offset, own in enumerate(chosen) if own)
        own = tuple(value for value, mine in zip(logprobs, chosen, strict=True) if mine)
        said = [
            Piece(origin=Origin.ACTED if mine else Origin.SCAFFOLD, ids=(token,))
            for token, mine in zip(ids, chosen, strict=True)
        ]
        if tuple(ids[-1:]) != self._layout.end:
            said.append(Piece(origin=Origin.SCAFFOLD, ids=self._layout.end))
        self._say(said)
        if places:
            self._acted.append(Acted(turn=turn, places=places, logprobs=own))

    def demonstrate(self, text: str) -> None:
        """Somebody better acted."""
        self._asked.append((self._window_begins, len(self._pieces)))
        self._say([Piece(origin=Origin.DEMONSTRATED, ids=self._layout.said(text))])

    def observe(self, seen: str, *, reward: float | None = None, apart: bool = False, over: bool = False) -> None:
        """The world answered. `reward` is what the action was worth, None if nobody said; `apart`: nothing from before
        is in sight any more; `over`: this was the last."""
        if reward is not None and self._acted:
            # A turn of which the agent chose nothing brings its reward to the turn before.
            last = self._acted[-1]
            self._acted[-1] = replace(last, reward=reward + (last.reward or 0.0))
        pieces = tuple(self._layout.following(seen))
        self._add(pieces)
        self._turns.append(_Turn(said=self._said, seen=pieces))
        if not over and (apart or self._size - self._start >= self._window):
            self._begin_window(seen, apart)

    def lived(self, id: str, *, world: str, group: str, told: str = "") -> Lived:
        """The episode so far."""
        episode = Episode(id=id, rendered=_rendered(self._pieces), acted=tuple(self._acted))
        return Lived(episode=episode, world=world, group=group, windows=tuple(self._starts), told=told)

    def instead(
        self, number: int, text: str, *, possible: Sequence[str], world: str, group: str, source: Source
    ) -> Lived:
        """What was in sight at a turn, and `text` as `source` would have acted there, to be imitated.

        `possible` are the actions that a reply was held to; empty where it was free, so that all of `text` is said.
        """
        seen = self._pieces[slice(*self._asked[number])]
        shown = [*map(_context, seen), *self._layout.named(text, possible)]
        episode = Episode(id=f"{group}/{number}/instead", rendered=_rendered(shown), acted=())
        return Lived(episode=episode, world=world, group=group, source=source)

    def elsewhere(self, number: int, seen: str, text: str, *, possible: Sequence[str], world: str, group: str) -> Lived:
        """`text` as somebody else acted, asked as the agent is with `seen` before their eyes, to be imitated.

        `possible` are as for `instead`.
        """
        asked = map(_context, self._layout.opening(self._instructions, seen))
        shown = [*asked, *self._layout.named(text, possible)]
        episode = Episode(id=f"{group}/{number}/elsewhere", rendered=_rendered(shown), acted=())
        return Lived(episode=episode, world=world, group=group)

    def _say(self, pieces: Sequence[Piece]) -> None:
        self._said = tuple(pieces)
        self._add(pieces)

    def _add(self, pieces: Sequence[Piece]) -> None:
        self._pieces.extend(pieces)
        self._size += sum(len(piece.ids) for piece in pieces)

    def _begin_window(self, seen: str, apart: bool) -> None:
        """Instructions and what fits of the latest turns; with none that fits, the latest observation alone."""
        room = self._window * CARRIED
        kept: list[_Turn] = []
        size = sum(len(piece.ids) for piece in self._head)
        for turn in [] if apart else reversed(self._turns):
            size += turn.size
            if size > room:
                break
            kept.insert(0, turn)
        self._start, self._window_begins = self._size, len(self._pieces)
        self._starts.append(self._start)
        head = self._head if kept else tuple(self._layout.opening(self._instructions, seen))
        carried = [*head, *(piece for turn in kept for piece in (*turn.said, *turn.seen))]
        self._turns = kept
        self._head = head
        self._add([_context(piece) for piece in carried])


def _context(piece: Piece) -> Piece:
    """The same tokens, seen again."""
    known = piece.origin in (*_SAID, Origin.OBSERVED)
    return Piece(origin=Origin.GIVEN, ids=piece.ids) if known else piece


def _rendered(pieces: Sequence[Piece]) -> Rendered:
    spans: list[Span] = []
    ids: list[int] = []
    for piece in pieces:
        start = len(ids)
        ids.extend(piece.ids)
        if spans and spans[-1].origin is piece.origin:
            spans[-1] = Span(origin=piece.origin, start=spans[-1].start, end=len(ids))
        elif piece.ids:
            spans.append(Span(origin=piece.origin, start=start, end=len(ids)))
    return Rendered(ids=tuple(ids), spans=tuple(spans))


def _pieces(rendered: Rendered, start: int) -> tuple[Piece, ...]:
    return tuple(
        Piece(origin=span.origin, ids=rendered.ids[max(start, span.start) : span.end])
        for span in rendered.spans
        if span.end > start
    )
