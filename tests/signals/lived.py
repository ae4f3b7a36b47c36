"""Short ways to write down episodes."""

from __future__ import annotations

from collections.abc import Sequence

from liveoak.records import Message, Origin, Rendered, Span, Turn
from liveoak.signals import Acted, Episode

ORIGINS = {
    "s": Origin.SCAFFOLD,
    "g": Origin.GIVEN,
    "o": Origin.OBSERVED,
    "a": Origin.ACTED,
    "d": Origin.DEMONSTRATED,
}


def rendered(text: str, ids: Sequence[int] | None = None) -> Rendered:
    """One token a letter, by origin: `ggsaao` is two given tokens, one of the template, two acted, one observed."""
    spans: list[Span] = []
    for place, letter in enumerate(text):
        if spans and spans[-1].origin is ORIGINS[letter]:
            spans[-1] = Span(origin=spans[-1].origin, start=spans[-1].start, end=place + 1)
        else:
            spans.append(Span(origin=ORIGINS[letter], start=place, end=place + 1))
    return Rendered(ids=tuple(range(len(text)) if ids is None else ids), spans=tuple(spans))


def episode(
    text: str,
    rewards: Sequence[float | None] = (),
    *,
    ids: Sequence[int] | None = None,
    logprob: float = -1.0,
    id: str = "session_1",
) -> Episode:
    """Each run of `a` is a turn; `rewards` are theirs, in order, None where there are fewer."""
    chat = rendered(text, ids)
    runs = [tuple(range(span.start, span.end)) for span in chat.spans if span.origin is Origin.ACTED]
    told = [*rewards, *[None] * (len(runs) - len(rewards))]
    acted = [
        Acted(turn=f"turn_{number}", places=run, logprobs=(logprob,) * len(run), reward=reward)
        for number, (run, reward) in enumerate(zip(runs, told, strict=True))
    ]
    return Episode(id=id, rendered=chat, acted=tuple(acted))


def turn(
    index: int, role: str, content: str, origin: Origin, ids: Sequence[int] = (), spans: tuple[Span, ...] = ()
) -> Turn:
    return Turn(
        id=f"turn_{index}",
        session="session_1",
        index=index,
        message=Message(role=role, content=content),  # type: ignore[arg-type]
        origin=origin,
        created=float(index),
        ids=tuple(ids),
        logprobs=tuple(-0.5 - place for place in range(len(ids))),
        version="v1" if ids else None,
        spans=spans,
    )
