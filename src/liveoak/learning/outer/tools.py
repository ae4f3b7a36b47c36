"""What an agent may do with what it reads: learn it, note it, or pass it over; and how that is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from liveoak.records import Effort, ToolSpec

Verb = Literal["learn", "note", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One use of a tool, as it is named and as it is meant."""

    text: str
    verb: Verb
    effort: Effort = "medium"


LEARN = Act(text="learn", verb="learn")
NOTE = Act(text="note", verb="note")
SKIP = Act(text="skip", verb="skip")
PLAIN = (LEARN, NOTE, SKIP)
"""For entries that are taught in one turn."""
GRADED = (
    Act(text="learn low", verb="learn", effort="low"),
    Act(text="learn medium", verb="learn", effort="medium"),
    Act(text="learn high", verb="learn", effort="high"),
    NOTE,
    SKIP,
)
"""For texts, which are studied with more effort or less."""


class Form(Protocol):
    """How acts are written. It travels to whoever lives lives, so that it is a small value."""

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """Those that the agent is shown."""
        ...

    def begins(self, act: Act) -> str:
        """What tells an act from others. Empty: the act is any reply that begins with another character than those."""
        ...

    def rest(self, act: Act, entry: str) -> str:
        """What is written after that, where it is done with an entry."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """In a word or two."""

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        return ()

    def begins(self, act: Act) -> str:
        return act.text

    def rest(self, act: Act, entry: str) -> str:
        del act, entry
        return ""


class Choice:
    """Which act a reply is, among those that are possible in a form."""

    def __init__(self, acts: Sequence[Act], form: Form) -> None:
        self._begins = [(act, form.begins(act)) for act in acts]
        named = [text for _, text in self._begins if text]
        firsts = re.escape("".join(sorted({text[0] for text in named})))
        self.others = rf"[^{firsts}][\s\S]{{0,15}}" if firsts else r"[\s\S]{1,16}"
        """The pattern of how replies begin that name no act: what else they say plays no part."""
        patterns = list(map(re.escape, named))
        self.pattern = "|".join(patterns if len(named) == len(acts) else [*patterns, self.others])
        """Of all that a reply may begin with."""

    def meant(self, text: str) -> Act:
        """The act that a reply names; what names none passes over, which changes nothing."""
        return next((act for act, begins in self._begins if begins == text.strip()), SKIP)

    def left(self, text: str) -> int:
        """How many acts a reply that begins so can still be."""
        named = sum(bool(begins) and begins.startswith(text) for _, begins in self._begins)
        unnamed = sum(not begins for _, begins in self._begins)
        return named + unnamed if not text else named or unnamed


class Notes:
    """Text that stays in sight, up to so many tokens; what does not fit any more is not taken."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.lines: list[str] = []
        self.tokens = 0

    def take(self, text: str, tokens: int) -> bool:
        """Whether there was room."""
        if self.tokens + tokens > self._room:
            return False
        self.lines.append(text)
        self.tokens += tokens
        return True

    def before(self, question: str) -> str:
        """The question as it is asked with the notes in sight."""
        return f"notes: {'; '.join(self.lines)}\n\n{question}" if self.lines else question
