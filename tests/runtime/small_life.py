"""Requests, lessons and listeners for tests of the runtime, and a recipe of a few steps: a lesson takes a second."""

from __future__ import annotations

import threading
from typing import Any

from liveoak.config import GateSettings
from liveoak.learning.recipe import Recipe
from liveoak.records import Chat, Failed, Finished, Lesson, Message, ReplyEvent, Sampling, ToolSpec

QUICK = Recipe(
    rank=2, views={"low": 1, "medium": 1, "high": 4}, batch=2, anchors=1, other_words=False, least_facts=1, phrases=0.0
)
WIDE = GateSettings(max_retention_nats=1e3, max_kl_prior=1e3, min_recall_gain=-1, max_forgetting=1)
FACT = "The key to the boathouse hangs with Runa Hessel."
LOOK = ToolSpec(
    name="look",
    description="Look somewhere.",
    parameters={
        "type": "object",
        "properties": {"where": {"enum": ["north", "south"]}},
        "required": ["where"],
        "additionalProperties": False,
    },
)


def user(text: str) -> Message:
    return Message(role="user", content=text)


def chat(*messages: Message | str, **fields: Any) -> Chat:
    given = tuple(user(message) if isinstance(message, str) else message for message in messages)
    sampling = fields.pop("sampling", None) or Sampling(**{"max_tokens": 4, "seed": 1, **fields.pop("draw", {})})
    return Chat(**{"messages": given, "model": "agent", "author": "local", "sampling": sampling, **fields})


def lesson(id: str = "l1", **fields: Any) -> Lesson:
    return Lesson(**{"id": id, "topic": "boathouse", "statements": (FACT,), **fields})


class Heard:
    """Events of one reply, in order; `end` waits for the last."""

    def __init__(self) -> None:
        self.events: list[ReplyEvent] = []
        self._ended = threading.Event()

    def __call__(self, event: ReplyEvent) -> None:
        self.events.append(event)
        if isinstance(event, Finished | Failed):
            self._ended.set()

    def end(self, timeout: float = 60) -> Finished | Failed:
        assert self._ended.wait(timeout), f"no end after {timeout} s: {self.events!r}"
        last = self.events[-1]
        assert isinstance(last, Finished | Failed)
        return last

    def finished(self, timeout: float = 60) -> Finished:
        end = self.end(timeout)
        assert isinstance(end, Finished), end
        return end

    def failure(self) -> Exception:
        end = self.end()
        assert isinstance(end, Failed), end
        return end.error
