"""What leaves the window of a session's chat, and goes into its fast weights instead.

A chat longer than the context is answered from its instructions and its latest turns. The turns before them are studied
as a lesson of the session, each once, while the reply goes on: it is the next replies that know of them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from liveoak.errors import LiveoakError, NotFound
from liveoak.experience import Experience
from liveoak.records import Lesson, Message, Turn
from liveoak.runtime.lessons import School

_log = logging.getLogger(__name__)

ROOM = 0.5
"""Part of the context that a chat cut anew fills at most: what left it is a stretch worth studying, not a turn."""
_PREFIX = "lesson_left_"
"""Before the id of the last turn of a stretch, in the id of its lesson."""
_TAUGHT = ("user", "assistant", "tool")
Size = Callable[[Sequence[Message]], int]
"""Tokens of the prompt that messages make."""


def shortened(messages: Sequence[Message], left: int) -> tuple[Message, ...]:
    """The messages without the `left` ones after the instructions."""
    lead = _lead(messages)
    return (*messages[:lead], *messages[lead + left :])


class Overflow:
    """Teaches sessions what has left their window, one stretch at a time, in threads of its own."""

    def __init__(self, experience: Experience, school: School) -> None:
        self._experience, self._school = experience, school
        self._under_way: set[str] = set()
        self._guard = threading.Lock()

    def leaving(self, session: str, messages: Sequence[Message], size: Size, context: int) -> int:
        """How many of the messages after the instructions leave the window; 0 where all have room.

        What stays begins with a user's message: the first that was not studied yet, as long as that has room. The last
        user's message stays whatever its size.
        """
        if size(messages) < context:
            return 0
        lead = _lead(messages)
        begins = [place for place in range(lead + 1, len(messages)) if messages[place].role == "user"]
        turns, studied = self._known(session)
        places = _places(turns, messages)
        unread = next((place for place in begins if (at := places[place]) is None or at > studied), None)
        left = [] if unread is None else [(unread, context - 1)]
        left += [(place, int(ROOM * context)) for place in begins]
        fits = (place for place, room in left if size(shortened(messages, place - lead)) <= room)
        return next(fits, begins[-1] if begins else lead) - lead

    def learn(self, session: str, author: str, messages: Sequence[Message], left: int) -> None:
        """Study the session's recorded turns before those that stay in the window, but for those studied.

        Returns at once. What comes of it is in the record; a stretch that cannot be studied is a failed lesson.
        """
        with self._guard:
            if session in self._under_way:
                return
            lesson = self._lesson(session, messages, left)
            if lesson is None:
                return
            self._under_way.add(session)
        threading.Thread(target=self._study, args=(lesson, session, author), name=lesson.id, daemon=True).start()

    def _lesson(self, session: str, messages: Sequence[Message], left: int) -> Lesson | None:
        turns, studied = self._known(session)
        stays = _places(turns, messages)[_lead(messages) + left]
        gone = [turn for turn in turns if stays is not None and studied < turn.index < stays]
        said = [turn for turn in gone if turn.message.role in _TAUGHT and turn.message.content.strip()]
        if not said:
            return None
        text = "\n\n".join(turn.message.content.strip() for turn in said)
        return Lesson(id=f"{_PREFIX}{said[-1].id}", topic="an earlier conversation", source=text)

    def _known(self, session: str) -> tuple[Sequence[Turn], int]:
        """The recorded turns of a session that may not have begun, and the index of the last one studied or -1."""
        try:
            return self._experience.turns(session), self._studied(session)
        except NotFound:
            return (), -1

    def _studied(self, session: str) -> int:
        """Index of the last turn that was studied, whatever came of it; -1: none."""
        last = -1
        for record in self._experience.lessons(session=session):
            if record.lesson.id.startswith(_PREFIX):
                try:
                    last = max(last, self._experience.turn(record.lesson.id.removeprefix(_PREFIX)).index)
                except NotFound:
                    continue
        return last

    def _study(self, lesson: Lesson, session: str, author: str) -> None:
        try:
            self._school.learn(lesson, session=session, author=author, on_progress=None)
        except LiveoakError as error:
            _log.warning("what left the window of session %s was not learned: %s", session, error)
        finally:
            with self._guard:
                self._under_way.discard(session)


def _lead(messages: Sequence[Message]) -> int:
    return 1 if messages and messages[0].role == "system" else 0


def _places(turns: Sequence[Turn], messages: Sequence[Message]) -> list[int | None]:
    """The index of the turn that each message is in the record; None: it is not there yet."""
    found: list[int | None] = []
    place = 0
    for message in messages:
        said = (message.role, message.content)
        known = (at for at in range(place, len(turns)) if (turns[at].message.role, turns[at].message.content) == said)
        at = next(known, None)
        found.append(None if at is None else turns[at].index)
        place = place if at is None else at + 1
    return found
