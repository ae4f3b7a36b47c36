"""The handbook of an invented firm, and the exam on it.

Every fact is invented, so a pretrained prior cannot know it; every question names the firm, so that it can be asked
with an empty context; exam questions are worded unlike the text and unlike the questions that a person would teach.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from liveoak.worlds.firm import TOPICS, Kind, Pools, Topic, firm_name

MOST_FACTS = 60
"""As many as the pools of answers can tell apart."""
_FACTS_PER_TOPIC = 4
_SAME_KIND = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HandbookFact:
    """One fact: as it stands in the text, and as it is asked about."""

    topic: str
    sentence: str
    """As it stands in the text, word for word."""
    answer: str
    exam_question: str
    taught_question: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handbook:
    """A text of which nothing can be known beforehand. Equal seeds give equal handbooks."""

    firm: str
    text: str
    facts: tuple[HandbookFact, ...]


def make_handbook(seed: int, facts: int = 20) -> Handbook:
    """A handbook that states `facts` facts, each once.

    Raises:
        ValueError: fewer than 1 fact, or more than `MOST_FACTS`.
    """
    if not 1 <= facts <= MOST_FACTS:
        raise ValueError(f"facts = {facts!r}: a handbook holds 1 to {MOST_FACTS} facts")
    rng = random.Random(seed)
    firm = firm_name(rng)
    pools = Pools(rng)
    pools.reserve(firm)
    chosen = _choose(rng, facts)
    written = {
        topic.name: tuple(_write(rng, pools, firm, topic, kind, subject) for kind, subject in picks)
        for topic, picks in chosen
    }
    sections = [_section(rng, topic, written[topic.name]) for topic, _ in chosen]
    opening = _OPENING[rng.randrange(len(_OPENING))].format(firm=firm)
    text = "\n\n".join([f"# Handbook of {firm}", opening, *sections]) + "\n"
    return Handbook(firm=firm, text=text, facts=tuple(fact for topic, _ in chosen for fact in written[topic.name]))


def _choose(rng: random.Random, facts: int) -> list[tuple[Topic, list[tuple[Kind, str]]]]:
    """Topics with kinds and subjects. Kinds with several subjects come several times, to be told apart."""
    wanted = min(len(TOPICS), max(1, -(-facts // _FACTS_PER_TOPIC)))
    topics = rng.sample(TOPICS, wanted)
    stock = [_stock(rng, topic) for topic in topics]
    picks: list[list[tuple[Kind, str]]] = [[] for _ in topics]
    turn = 0
    for _ in range(facts):
        while not stock[turn % wanted]:
            turn += 1
        picks[turn % wanted].append(stock[turn % wanted].pop(0))
        turn += 1
    return list(zip(topics, picks, strict=True))


def _stock(rng: random.Random, topic: Topic) -> list[tuple[Kind, str]]:
    kinds = rng.sample(topic.kinds, len(topic.kinds))
    # One kind with several subjects goes first, so that even a short section holds facts that are easy to mix up.
    kinds.sort(key=lambda kind: len(kind.subjects) == 1)
    kinds = [kinds[0], *rng.sample(kinds[1:], len(kinds) - 1)]
    orders = [(kind, rng.sample(kind.subjects, len(kind.subjects))) for kind in kinds]
    first = [(kind, order.pop()) for kind, order in orders]
    more = [(kind, subject) for kind, order in orders for subject in order[: _SAME_KIND - 1]]
    return [first[0], *more[: rng.randint(1, _SAME_KIND - 1)], *first[1:], *more[_SAME_KIND - 1 :]]


def _write(rng: random.Random, pools: Pools, firm: str, topic: Topic, kind: Kind, subject: str) -> HandbookFact:
    answer = pools.draw(kind.pool)

    def fill(templates: tuple[str, ...]) -> str:
        filled = rng.choice(templates).format(s=subject, a=answer, firm=firm)
        if answer[0] in "aeiou":
            filled = re.sub(rf"\b([Aa]) (?={answer})", r"\1n ", filled)
        return filled[0].upper() + filled[1:]

    return HandbookFact(
        topic=topic.name,
        sentence=fill(kind.sentences),
        answer=answer,
        exam_question=fill(kind.exam),
        taught_question=fill(kind.taught),
    )


def _section(rng: random.Random, topic: Topic, facts: tuple[HandbookFact, ...]) -> str:
    """Facts in paragraphs of two, each fact followed by a sentence that states none."""
    between = rng.sample(topic.between, len(topic.between))
    paragraphs = [" ".join(rng.sample(topic.opening, len(topic.opening)))]
    sentences = [f"{fact.sentence} {between[place % len(between)]}" for place, fact in enumerate(facts)]
    paragraphs += [" ".join(sentences[place : place + 2]) for place in range(0, len(sentences), 2)]
    paragraphs.append(rng.choice(topic.closing))
    return "\n\n".join([f"## {topic.title}", *paragraphs])


_OPENING = (
    "Welcome to {firm}. This handbook is for everybody who works here, and above all for those who are new. It is short"
    " on purpose: read it once from front to back, keep it in a drawer, and look things up when needed. Nobody is"
    " expected to know it by heart on the first day, and nobody is cross with a colleague who asks. Where the handbook"
    " and common sense disagree, tell us, and one of the two will be changed. It is written by the people who do the"
    " work, and it is meant to be read by them.",
    "You are holding the handbook of {firm}. It answers what new colleagues ask most often, and what old ones have"
    " forgotten. We have tried to write it the way we talk, without long words. Some of it may seem odd at first; most"
    " of it has a reason, and the rest has a history. If you find a mistake, please correct your own copy in pencil and"
    " tell the office, so that the next printing is better. Keep it near your desk, lend it to others, and do not be"
    " shy about asking when a page leaves you puzzled.",
)
