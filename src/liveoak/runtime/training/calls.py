"""Acts of a life as the served agent does them: calls of its own tools, in a chat that says nothing else."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass

from liveoak.learning.general import PROMPTS, TALK
from liveoak.learning.outer.tools import LEARN, NOTE, Act
from liveoak.priors import ToolFormat
from liveoak.records import Message, ToolCall, ToolSpec
from liveoak.runtime.tools import OWN

_TOLD = (
    "My sister's new flat has the number 27.",
    "Parcels for the workshop go to gate 6.",
    "The spare key hangs behind the blue coat.",
    "Our dentist is called Amara Quint.",
    "The choir meets on Thursdays at 19:15.",
    "Tickets for the ferry cost 14 euros.",
    "The lift was last inspected in 2017.",
    "Wet paint is kept in the cellar.",
    "Bruno's tortoise answers to Pepper.",
    "The heating is set to 19 degrees at night.",
    "Our house number is 58.",
    "Vera's violin was made in 1911.",
    "The parcel weighs 3 kilograms.",
    "The ladder belongs to Jonas Weil.",
    "Breakfast is served from 6:30.",
    "The blue key opens the back door.",
    "Lessons take place in room 210.",
    "The password of the printer is marigold.",
    "Her train arrives at 17:52.",
    "The gardener comes every Friday.",
    "Our team is called the Otters.",
    "A ticket for the zoo costs 9 euros.",
    "The meter stands at 40817.",
    "My colleague's name is Sanna Orlow.",
    "The well is 12 metres deep.",
    "The fuse box is behind the mirror.",
    "The shop in the village is closed on Tuesdays.",
    "Soup is kept on the second shelf.",
    "The boat was painted yellow.",
    "The next inspection is on the 4th of May.",
)
_ANSWERS = {
    LEARN: '{"learned": true, "version": "v7c41", "tokens_trained": 512, "loss": [3.127, 0.214], "recall": [0.0, 1.0], '
    '"retention_nats": 0.0012, "seconds": 9.5}',
    NOTE: '{"noted": true, "tokens": 14, "room": 256, "dropped": []}',
}


@dataclass(frozen=True, slots=True)
class Calls:
    """Learning and noting are calls of `learn` and `note`, one a reply; any other reply passes over."""

    format: ToolFormat

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        return tuple(OWN.values())

    def begins(self, act: Act) -> str:
        """Up to the tool's name, which tells it from others."""
        return "" if act.verb == "skip" else f'{self.format.open}{{"name":"{act.verb}'

    def rest(self, act: Act, entry: str) -> str:
        """In the form that the grammar of calls leaves a served agent."""
        if act.verb == "skip":
            return ""
        return f'","{self.format.arguments_key}":{call_of(act, entry).arguments}}}{self.format.close}'


def call_of(act: Act, entry: str) -> ToolCall:
    """The call that learns an entry, or notes it."""
    given = {"topic": topic_of(entry), "statements": [entry]} if act.verb == "learn" else {"text": entry}
    arguments = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    return ToolCall(id="call", name=act.verb, arguments=arguments)


def topic_of(entry: str) -> str:
    """Words of a statement that are neither short nor names, at most three: likely what it is about."""
    return " ".join(re.findall(r"\b[a-z]{4,}\b", entry)[:3]) or "what I was told"


def chats() -> list[list[Message]]:
    """Where an agent with its own tools in sight is to speak as the prior does: everyday messages, and once a call is
    answered."""
    everyday = [[Message(role="user", content=text)] for text in (*PROMPTS, *TALK)]
    answered = [
        [
            Message(role="user", content=text),
            Message(role="assistant", content="", tool_calls=(call_of(act, text),)),
            Message(role="tool", content=answer, tool_call_id="call"),
        ]
        for text in _TOLD
        for act, answer in _ANSWERS.items()
    ]
    found = [*everyday, *answered]
    return random.Random("chats").sample(found, len(found))
