"""What an agent may do with what it reads: learn it, note it, or pass it over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from liveoak.records import Effort

Verb = Literal["learn", "note", "skip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One use of a tool, as it is written and as it is meant."""

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


def meant(text: str, acts: Sequence[Act]) -> Act:
    """The act that a reply names; what names none passes over, which changes nothing."""
    return next((act for act in acts if act.text == text.strip()), SKIP)


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
