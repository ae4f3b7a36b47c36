"""From the agent that knows how an episode ended, or was told a hint, to the agent that does not.

The teacher runs over the student's own replies, with a text before the question that the student never saw. What it
says at each token that the student chose is what the student is to say there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from liveoak.adapters import Slot
from liveoak.engine import Engine, portioned
from liveoak.engine import Sequence as Tokens
from liveoak.learning.lived import Lived
from liveoak.learning.objective import Example
from liveoak.learning.scoring import TOGETHER
from liveoak.learning.terms import TEACHER_TOP, TopK, divergence_of_top, top_of
from liveoak.priors import ChatTokenizer
from liveoak.records import Origin, Rendered, Span
from liveoak.signals import Distilled, Try, distillation, informed, reflection
from liveoak.signals.episode import places_of


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One window of an episode, as either side reads it."""

    teacher: Rendered
    student: Rendered


def looking_back(deeds: Sequence[tuple[str, float, str]]) -> str:
    """The reflection on an episode's actions, each with its reward, from -1 to 1, and the world's answer.

    A reward of 0 on the way says nothing; at the end it does.
    """
    last = len(deeds) - 1
    return reflection(
        [
            Try(reply=said, reward=reward if reward or number == last else None, said=(seen,))
            for number, (said, reward, seen) in enumerate(deeds)
        ]
    )


def forewarned(tokenizer: ChatTokenizer, lived: Lived) -> Lived:
    """The same demonstration by somebody who had read what the episode was told: to be imitated, it teaches to make use
    of what a context says."""
    more = _more(tokenizer, lived.told)
    ids: list[int] = []
    spans: list[Span] = []
    windows: list[int] = []
    for chat in _chats(lived):
        chat = informed(chat, more)
        windows.append(len(ids))
        spans += [replace(span, start=span.start + len(ids), end=span.end + len(ids)) for span in chat.spans]
        ids += chat.ids
    rendered = Rendered(ids=tuple(ids), spans=tuple(spans))
    return replace(lived, episode=replace(lived.episode, rendered=rendered), windows=tuple(windows), told="")


def distilled(engine: Engine, student: Slot, teacher: Slot, episodes: Sequence[Lived]) -> list[list[Example]]:
    """For each episode, what the teacher says of it, one example a window; none where it was told nothing.

    A window that has no room in the prior's context for what was told is left out.
    """
    windows = [list(_pairs(engine, one)) for one in episodes]
    # In a small world, many episodes are the same; each is run once.
    unlike = list(dict.fromkeys(pair for own in windows for pair in own))
    made = [
        _examples(engine, student, teacher, batch)
        for batch in portioned(unlike, TOGETHER, lambda pair: len(pair.teacher.ids))
    ]
    examples = dict(zip(unlike, (example for some in made for example in some), strict=True))
    return [[examples[pair] for pair in own if any(examples[pair].credit)] for own in windows]


def _more(tokenizer: ChatTokenizer, told: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(f"{told.strip()}\n\n"))


def _pairs(engine: Engine, lived: Lived) -> Iterator[_Pair]:
    more = _more(engine.tokenizer, lived.told)
    for chat in _chats(lived) if lived.told.strip() else ():
        if len(chat.ids) + len(more) <= engine.prior.context_length and _replies(chat):
            yield _Pair(teacher=informed(chat, more), student=chat)


def _replies(chat: Rendered) -> bool:
    """Whether the agent acted in it, and something was asked before anybody replied."""
    acted = next(places_of(chat, Origin.ACTED), None)
    said = min(places_of(chat, Origin.ACTED, Origin.DEMONSTRATED), default=0)
    return acted is not None and min(places_of(chat, Origin.GIVEN, Origin.OBSERVED), default=said) < said


def _chats(lived: Lived) -> Iterator[Rendered]:
    """Each window as a chat of its own."""
    rendered = lived.episode.rendered
    for start, end in lived.bounds:
        spans = (
            replace(span, start=max(span.start, start) - start, end=min(span.end, end) - start)
            for span in rendered.spans
            if span.start < end and start < span.end
        )
        yield Rendered(ids=rendered.ids[start:end], spans=tuple(spans))


def _examples(engine: Engine, student: Slot, teacher: Slot, batch: Sequence[_Pair]) -> list[Example]:
    """What every token costs against the teacher is measured first: where both agree, there is nothing to learn."""
    whole = [distillation(pair.teacher, pair.student) for pair in batch]
    above = [_tokens(pair.teacher, one.teacher, teacher) for pair, one in zip(batch, whole, strict=True)]
    below = [_tokens(pair.student, one.student, student) for pair, one in zip(batch, whole, strict=True)]

    def measure() -> tuple[TopK, list[float]]:
        top = top_of(engine.logits(above), TEACHER_TOP)
        return top, divergence_of_top(engine.logits(below).float(), top).tolist()

    top, divergences = engine.infer(measure)
    made: list[Example] = []
    start = 0
    for pair, one in zip(batch, whole, strict=True):
        end = start + len(one.student)
        kept = distillation(pair.teacher, pair.student, divergences[start:end])
        # Cloned outside inference mode, so that the backward pass may keep them.
        own = TopK(ids=top.ids[start:end].clone(), logprobs=top.logprobs[start:end].clone())
        made.append(_example(pair.student, one, kept, own))
        start = end
    return made


def _tokens(chat: Rendered, places: Sequence[int], slot: Slot) -> Tokens:
    return Tokens(ids=chat.ids[: places[-1]], slot=slot, wanted=tuple(place - 1 for place in places))


def _example(chat: Rendered, whole: Distilled, kept: Distilled, top: TopK) -> Example:
    """All of the window's tokens, so that several signals of one window are run in one pass."""
    return Example(
        signal=kept.credit.signal,
        ids=chat.ids[:-1],
        wanted=tuple(place - 1 for place in whole.student),
        credit=tuple(kept.credit.weights[place] for place in whole.student),
        top=top,
    )
