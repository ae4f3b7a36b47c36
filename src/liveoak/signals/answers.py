"""What the world answered, and to which action."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from liveoak.records import Origin, Rendered

OWN = frozenset({Origin.ACTED})
"""The agent's own actions. With demonstrated ones too, what an expert's actions led to is learned from as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Positions of an action's tokens, and of the observed tokens that follow it."""

    action: tuple[int, ...]
    places: tuple[int, ...]


def answers(rendered: Rendered, after: Collection[Origin] = OWN) -> tuple[Answer, ...]:
    """Every observed span that follows an action, with the whole action.

    Only template tokens and other observations may stand in between: what is observed after somebody else spoke, or
    before the agent ever acted, answers no action of its.
    """
    found: list[Answer] = []
    action: list[int] = []
    acting = False
    for span in rendered.spans:
        if span.origin in after:
            action = action if acting else []
            action.extend(range(span.start, span.end))
            acting = True
        elif span.origin is Origin.OBSERVED:
            if action and span.start < span.end:
                found.append(Answer(action=tuple(action), places=tuple(range(span.start, span.end))))
            acting = False
        elif span.origin is not Origin.SCAFFOLD:
            action, acting = [], False
    return tuple(found)
