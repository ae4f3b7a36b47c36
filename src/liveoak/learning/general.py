"""What is not to change: the prior's own replies to everyday prompts, and its own free text.

Drawn once a prior, in parts, with fixed seeds, and kept in the cache. They serve as anchors, where KL(prior || current)
is held down while a lesson is learned. The gate has prompts of its own, so that it does not mark its own homework.
"""

from __future__ import annotations

from collections.abc import Sequence as Seq
from dataclasses import replace
from pathlib import Path
from typing import overload

from torch import Tensor

from liveoak.engine import Decoder, Engine, Known, Request, Said, Sequence
from liveoak.learning.objective import ANCHOR, Example
from liveoak.records import Message, Sampling, ToolSpec

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
TALK = (
    "Hello!",
    "Good morning, how are you?",
    "Thank you, that was very helpful.",
    "I had a long day at work.",
    "What is the longest river in Europe?",
    "The weather is lovely this afternoon.",
    "I love pancakes.",
    "Write a poem about the moon.",
    "That made me laugh.",
    "I am so tired.",
    "How do I remove a coffee stain?",
    "What a nice surprise!",
    "My back hurts a little.",
    "Can you help me?",
    "Explain what a budget is.",
    "I don't know what to cook tonight.",
    "Sorry, I meant something else.",
    "Why do birds migrate in winter?",
    "Nice to meet you.",
    "See you later!",
    "Give me a recipe for tomato soup.",
    "Tell me a joke.",
    "Music always cheers me up.",
    "Who was Marie Curie?",
    "It is raining cats and dogs.",
    "Let's talk about films.",
    "How many minutes are in three hours?",
    "I agree with you.",
    "That is not what I asked.",
    "List five things to take to the beach.",
    "Please write that again, but shorter.",
    "I feel a bit lonely these days.",
    "What does the heart do?",
    "The train was late again.",
    "Who are you?",
    "Compare tea and coffee.",
    "What can you do?",
    "Happy birthday!",
    "How does a battery work?",
    "It was a good match yesterday.",
    "I think I will go for a walk.",
    "Suggest a name for a sailing boat.",
    "Everybody likes holidays.",
    "We laughed a lot last night.",
    "What is the plural of mouse?",
    "Dinner was delicious.",
    "I should drink more water.",
    "Write a short e-mail to ask for a day off.",
    "No, thanks.",
    "My friends are coming over soon.",
    "Is a tomato a fruit?",
    "I never get up early.",
    "Time flies.",
    "How can I save money?",
    "The garden looks pretty in spring.",
    "That was a bad idea.",
    "Name the four seasons.",
    "I am learning to dance.",
    "You made my day.",
    "Describe a desert in one sentence.",
)
"""What else people say, small talk above all."""
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
    return _Anchors(engine, decoder, cache, "anchors", _requests(engine))


def replies(
    engine: Engine, decoder: Decoder, cache: Path, chats: Seq[Seq[Message]], tools: Seq[ToolSpec]
) -> Seq[Example]:
    """The same, of replies to these chats with tools in sight. The first token, which decides whether a tool is called,
    counts as much as all others of a reply together."""
    render = engine.tokenizer.render
    prompts = [render(chat, tools, add_generation_prompt=True).ids for chat in chats]
    requests = [_reply(seed, ids) for seed, ids in enumerate(prompts)]
    return _Anchors(engine, decoder, cache, "replies", requests, first=_REPLY_TOKENS - 1)


class _Anchors(Seq[Example]):
    """Examples whose teacher is the prior itself.

    Its log-probabilities, (P, V), are megabytes for each. What is kept of them are the hidden states that the head
    makes them from, each time that one is taken.
    """

    def __init__(
        self,
        engine: Engine,
        decoder: Decoder,
        cache: Path,
        name: str,
        requests: Seq[Request],
        *,
        first: float = 1.0,
    ) -> None:
        """`first` is the credit of the first token of each."""
        self._engine, self._decoder, self._known = engine, decoder, Known(engine, cache)
        self._name, self._requests, self._first = name, requests, first
        self._parts: dict[int, list[Said]] = {}

    def __len__(self) -> int:
        return len(self._requests)

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
            requests = self._requests[part * PART : (part + 1) * PART]
            self._parts[part] = self._known.said(f"{self._name}-{part}", self._decoder, requests)
        said = self._parts[part][within]
        teacher = self._engine.infer(lambda: self._engine.head(said.states).log_softmax(-1))
        held = _held(said.sequence.ids, said.sequence.wanted, teacher)
        return replace(held, credit=(self._first, *held.credit[1:]))


def as_prior(engine: Engine, ids: tuple[int, ...], wanted: tuple[int, ...]) -> Example:
    """What the prior says at these places, as something to be held to."""
    batch = [Sequence(ids=ids, wanted=wanted)]
    return _held(ids, wanted, engine.infer(lambda: engine.logits(batch).log_softmax(-1)))


def _held(ids: tuple[int, ...], wanted: tuple[int, ...], teacher: Tensor) -> Example:
    # Cloned outside inference mode, so that the backward pass may keep it.
    return Example(signal=ANCHOR, ids=ids, wanted=wanted, credit=(1.0,) * len(wanted), teacher=teacher.clone())


def _reply(seed: int, ids: tuple[int, ...]) -> Request:
    return Request(ids=ids, slot=None, sampling=Sampling(temperature=0.8, seed=seed, max_tokens=_REPLY_TOKENS))


def _requests(engine: Engine) -> list[Request]:
    """A reply and then some free texts, again and again, so that the first of them are of both kinds."""
    tokenizer = engine.tokenizer
    openings = (
        tokenizer.render([Message(role="user", content=prompt)], add_generation_prompt=True).ids for prompt in PROMPTS
    )
    replies = [_reply(seed, ids) for seed, ids in enumerate(openings)]
    texts = [
        Request(ids=(min(tokenizer.stop_ids),), slot=None, sampling=Sampling(seed=1000 + seed, max_tokens=_TEXT_TOKENS))
        for seed in range(FREE_TEXTS)
    ]
    each = FREE_TEXTS // len(PROMPTS)
    return [one for place, reply in enumerate(replies) for one in (reply, *texts[place * each : (place + 1) * each])]
