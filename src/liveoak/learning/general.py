"""What is not to change: the prior's own replies to everyday prompts, and its own free text.

Drawn once a prior, in parts, with fixed seeds, and kept in the cache. They serve as anchors, where KL(prior || current)
is held down while a lesson is learned. The gate has prompts of its own, so that it does not mark its own homework.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from pathlib import Path
from typing import overload

from torch import Tensor

from liveoak.engine import Decoder, Engine, Known, Request, Said, Sequence
from liveoak.learning.objective import ANCHOR, Example
from liveoak.records import Message, Sampling

PROMPTS = (
    "Explain how a bicycle stays upright.",
    "Write the beginning of a story about a lost dog.",
    "What is the capital of Italy? Answer in a few words.",
    "Give me three tips for sleeping better.",
    "Who wrote Romeo and Juliet?",
    "How many days are in a leap year? Answer in a few words.",
    "What colour is the sky on a clear day? Answer in a few words.",
    "Describe how rain forms.",
    "Who is responsible for safety in a factory?",
    "Write a polite note to decline an invitation.",
    "When did the Second World War end? Answer in a few words.",
    "What is 12 times 9?",
    "How long does it take to boil an egg?",
    "Which person leads a city? Answer in a few words.",
    "What does a lawyer do?",
    "How much does a cup of coffee cost? Answer in a few words.",
    "Translate 'good morning' into French.",
    "At what time do shops usually close? Answer in a few words.",
    "Name two animals that live in the sea.",
    "Where would you look for a book? Answer in a few words.",
)
FREE_TEXTS = 100
"""With a dozen, a long lesson learned these by heart and lost all others: docs/decisions/015-more-anchors.md."""
PART = 30
"""How many are drawn at once, in some seconds."""
_REPLY_TOKENS = 40
_TEXT_TOKENS = 64


def anchors(engine: Engine, decoder: Decoder, cache: Path) -> Seq[Example]:
    """The prior's own words, drawn as they are taken: a lesson that takes few does not wait for all.

    Taking one raises:
        StorageError: what was drawn cannot be kept in the cache.
    """
    return _Anchors(engine, decoder, cache)


class _Anchors(Seq[Example]):
    """Examples whose teacher is the prior itself.

    Its log-probabilities, (P, V), are megabytes for each. What is kept of them are the hidden states that the head
    makes them from, each time that one is taken.
    """

    def __init__(self, engine: Engine, decoder: Decoder, cache: Path) -> None:
        self._engine, self._decoder, self._known = engine, decoder, Known(engine, cache)
        self._parts: dict[int, list[Said]] = {}

    def __len__(self) -> int:
        return len(PROMPTS) + FREE_TEXTS

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        places = range(len(self))[index]
        return self._one(places) if isinstance(places, int) else [self._one(place) for place in places]

    def _one(self, place: int) -> Example:
        part, within = divmod(place, PART)
        if part not in self._parts:
            requests = _requests(self._engine)[part * PART : (part + 1) * PART]
            self._parts[part] = self._known.said(f"anchors-{part}", self._decoder, requests)
        said = self._parts[part][within]
        teacher = self._engine.infer(lambda: self._engine.head(said.states).log_softmax(-1))
        return _held(said.sequence.ids, said.sequence.wanted, teacher)


def as_prior(engine: Engine, ids: tuple[int, ...], wanted: tuple[int, ...]) -> Example:
    """What the prior says at these places, as something to be held to."""
    batch = [Sequence(ids=ids, wanted=wanted)]
    return _held(ids, wanted, engine.infer(lambda: engine.logits(batch).log_softmax(-1)))


def _held(ids: tuple[int, ...], wanted: tuple[int, ...], teacher: Tensor) -> Example:
    # Cloned outside inference mode, so that the backward pass may keep it.
    return Example(signal=ANCHOR, ids=ids, wanted=wanted, credit=(1.0,) * len(wanted), teacher=teacher.clone())


def _requests(engine: Engine) -> list[Request]:
    """A reply and then some free texts, again and again, so that the first of them are of both kinds."""
    tokenizer = engine.tokenizer
    openings = (
        tokenizer.render([Message(role="user", content=prompt)], add_generation_prompt=True).ids for prompt in PROMPTS
    )
    replies = [
        Request(ids=ids, slot=None, sampling=Sampling(temperature=0.8, seed=seed, max_tokens=_REPLY_TOKENS))
        for seed, ids in enumerate(openings)
    ]
    texts = [
        Request(ids=(min(tokenizer.stop_ids),), slot=None, sampling=Sampling(seed=1000 + seed, max_tokens=_TEXT_TOKENS))
        for seed in range(FREE_TEXTS)
    ]
    each = FREE_TEXTS // len(PROMPTS)
    return [one for place, reply in enumerate(replies) for one in (reply, *texts[place * each : (place + 1) * each])]
