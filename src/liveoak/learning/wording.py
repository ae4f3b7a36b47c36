"""Other words for the words of a text, as the agent itself knows them.

A small model cannot rewrite a sentence, but it does know that a warehouse is storage and that employees are staff.
Facts that are asked about in such words too are found from wordings that share nothing with the text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping

from liveoak.engine import Decoder, Engine, Request
from liveoak.records import Sampling

OtherWords = Mapping[str, tuple[str, ...]]
"""By word in lower case."""

SHARE = 0.35
"""Share of the words that have others which a question says in them."""
_PROMPT = (
    "Words and other words for them.\n\n"
    "car: automobile, vehicle, motor\n"
    "happy: glad, cheerful, pleased\n"
    "shop: store, market, seller\n"
    "pay: wage, salary, earnings\n"
    "begin: start, open, commence\n"
    "physician: doctor, medic, healer\n"
)
_SAMPLING = Sampling(temperature=0, max_tokens=14, stop=("\n",))
_MOST_WORDS = 192
_LONGEST = 3
"""Words in another word, at most."""
_WORD = re.compile(r"[^\W\d_]{3,}")


def other_words(engine: Engine, decoder: Decoder, words: Iterable[str]) -> OtherWords:
    """What the prior says in place of each of these words. Words that it has no other for are left out."""
    unique = sorted({word.lower() for word in words if _WORD.fullmatch(word)})[:_MOST_WORDS]
    requests = [
        Request(ids=engine.tokenizer.encode(f"{_PROMPT}{word}:"), slot=None, sampling=_SAMPLING) for word in unique
    ]
    found = {word: _usable(word, reply.text) for word, reply in zip(unique, decoder.generate(requests), strict=True)}
    return {word: others for word, others in found.items() if others}


def reword(text: str, others: OtherWords, rng: random.Random, keep: Iterable[str] = ()) -> str:
    """The text with some of its words said otherwise. Words in `keep` stay."""
    fixed = {word.lower() for phrase in keep for word in _WORD.findall(phrase)}

    def say(found: re.Match[str]) -> str:
        word = found.group()
        choices = others.get(word.lower(), ())
        if not choices or word.lower() in fixed or rng.random() >= SHARE:
            return word
        other = rng.choice(choices)
        return other[:1].upper() + other[1:] if word[:1].isupper() else other

    return _WORD.sub(say, text)


def _usable(word: str, reply: str) -> tuple[str, ...]:
    kept: list[str] = []
    for part in reply.split(","):
        other = part.strip().lower()
        plain = all(_WORD.fullmatch(piece) for piece in other.split())
        if other and plain and len(other.split()) <= _LONGEST and other not in kept and not _akin(word, other):
            kept.append(other)
    # The last one may have been cut off by the limit on tokens.
    return tuple(kept[:3])


def _akin(word: str, other: str) -> bool:
    """Another form of the same word says nothing new."""
    stem = word[: max(4, len(word) - 3)]
    return other.startswith(stem) or word in other.split()
