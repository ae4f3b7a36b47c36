"""What is not to change: the prior's own replies to everyday prompts, and its own free text.

Drawn once a prior, in parts, with fixed seeds, and kept in the cache. They serve as anchors, where KL(prior || current)
is held down while a lesson is learned. The gate has prompts of its own, so that it does not mark its own homework.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence as Seq
from pathlib import Path
from typing import overload

from pydantic import TypeAdapter, ValidationError

from liveoak.engine import Decoder, Engine, Request, Sequence
from liveoak.errors import StorageError
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
"""How many are drawn at once."""
_REPLY_TOKENS = 40
_TEXT_TOKENS = 64
_Drawn = tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
"""Token sequences and the places in each whose next-token distribution is to stay as it is."""
_DRAWN = TypeAdapter(_Drawn)


def anchors(engine: Engine, decoder: Decoder, cache: Path) -> Seq[Example]:
    """The prior's own words, drawn as they are taken: a lesson that takes few does not wait for all.

    Taking one raises:
        StorageError: what was drawn cannot be kept in the cache.
    """
    return _Anchors(engine, decoder, cache.expanduser() / "ground")


class _Anchors(Seq[Example]):
    """Examples whose teacher is the prior itself, asked again each time that one is taken.

    Its log-probabilities, (P, V), are megabytes for each: of many examples they are not held, and a lesson takes few.
    """

    def __init__(self, engine: Engine, decoder: Decoder, folder: Path) -> None:
        self._engine, self._decoder, self._folder = engine, decoder, folder
        self._parts: dict[int, _Drawn] = {}

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
            self._parts[part] = self._part(part)
        return as_prior(self._engine, *self._parts[part][within])

    def _part(self, part: int) -> _Drawn:
        """From the cache, or drawn now (some two seconds)."""
        path = self._folder / f"{self._engine.prior.fingerprint[:24]}-{part * PART}-{PART}.json"
        found = _read(path)
        if found is None:
            found = _draw(self._decoder, _requests(self._engine)[part * PART : (part + 1) * PART])
            _keep(path, found)
        return found


def _read(path: Path) -> _Drawn | None:
    """What was kept; None where there is nothing, or something damaged."""
    try:
        drawn = _DRAWN.validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    if len(drawn) != PART or any(wanted != tuple(range(wanted[0], len(ids))) for ids, wanted in drawn if wanted):
        return None
    return drawn


def as_prior(engine: Engine, ids: tuple[int, ...], wanted: tuple[int, ...]) -> Example:
    """What the prior says at these places, as something to be held to."""
    batch = [Sequence(ids=ids, wanted=wanted)]
    teacher = engine.infer(lambda: engine.logits(batch).log_softmax(-1))
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


def _draw(decoder: Decoder, requests: Seq[Request]) -> _Drawn:
    drawn: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for request, completion in zip(requests, decoder.generate(requests), strict=True):
        ids = (*request.ids, *(token.id for token in completion.drawn))
        drawn.append((ids[:-1], tuple(range(len(request.ids) - 1, len(ids) - 1))))
    return tuple(drawn)


def _keep(path: Path, drawn: _Drawn) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(drawn), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StorageError(
            f"the prior's own replies cannot be kept in {str(path.parent)!r}: {error}; free some space there, or name "
            "another folder with --cache"
        ) from None
